"""The tables of the ledger, and how those of an older version become them."""

SCHEMA_VERSION = 3

MIGRATIONS: dict[int, str] = {
    1: """
    CREATE TABLE job (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        type TEXT NOT NULL,
        camera TEXT,
        case_id TEXT,
        name TEXT,
        params BLOB NOT NULL,
        params_sha BLOB NOT NULL,
        priority INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL,
        attempt INTEGER NOT NULL DEFAULT 0,
        failures INTEGER NOT NULL DEFAULT 0,
        crashes INTEGER NOT NULL DEFAULT 0,
        fence INTEGER NOT NULL DEFAULT 0,
        owner TEXT,
        incarnation INTEGER,
        slot INTEGER,
        isolated INTEGER NOT NULL DEFAULT 0,
        boot_id TEXT,
        not_before REAL,
        expires_at REAL NOT NULL,
        cancel_requested INTEGER NOT NULL DEFAULT 0,
        retry_of TEXT,
        files BLOB,
        step TEXT NOT NULL DEFAULT '',
        percent REAL NOT NULL DEFAULT 0,
        result BLOB,
        error_code TEXT,
        error_message TEXT,
        created_at REAL NOT NULL,
        started_at REAL,
        ended_at REAL,
        rev INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX job_by_state ON job (state, type, priority DESC, number);
    CREATE INDEX job_by_owner ON job (owner) WHERE owner IS NOT NULL;
    CREATE TABLE event (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        job TEXT NOT NULL,
        rev INTEGER NOT NULL,
        state TEXT NOT NULL,
        at REAL NOT NULL,
        detail TEXT NOT NULL
    );
    CREATE INDEX event_by_job ON event (job);
    CREATE TABLE queue (
        type TEXT PRIMARY KEY,
        streak INTEGER NOT NULL DEFAULT 0,
        last_end_at REAL,
        resting_until REAL,
        avg_duration_s REAL,
        processed INTEGER NOT NULL DEFAULT 0,
        failed INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    """,
    2: "CREATE INDEX job_by_end ON job (ended_at) WHERE ended_at IS NOT NULL;",
    # `line` holds the cameras that have queued jobs, per type and priority, and whose turn it is: the least `turn`.
    # Triggers keep it, so that it cannot differ from the jobs. A camera joins the line at its end, and goes there again
    # each time that it was served.
    3: """
    ALTER TABLE job ADD COLUMN kills INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE job ADD COLUMN is_suspect INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE job ADD COLUMN leased_up_s REAL;
    ALTER TABLE job ADD COLUMN seen_at REAL;
    ALTER TABLE queue ADD COLUMN rest_s REAL NOT NULL DEFAULT 0;
    CREATE TABLE evidence (job TEXT PRIMARY KEY, lines BLOB NOT NULL);
    CREATE INDEX job_in_line ON job (type, priority, ifnull(camera, ''), number) WHERE state = 'queued';
    CREATE TABLE line (
        type TEXT NOT NULL,
        priority INTEGER NOT NULL,
        camera TEXT NOT NULL,
        queued INTEGER NOT NULL,
        turn INTEGER NOT NULL,
        PRIMARY KEY (type, priority, camera)
    ) WITHOUT ROWID;
    CREATE INDEX line_by_turn ON line (type, priority DESC, turn);
    INSERT INTO line (type, priority, camera, queued, turn)
        SELECT type, priority, ifnull(camera, ''), count(*), min(number) FROM job WHERE state = 'queued'
        GROUP BY type, priority, ifnull(camera, '');
    CREATE TRIGGER job_joins_line AFTER INSERT ON job WHEN NEW.state = 'queued' BEGIN
        INSERT INTO line (type, priority, camera, queued, turn) VALUES (
            NEW.type, NEW.priority, ifnull(NEW.camera, ''), 1,
            (SELECT ifnull(max(turn), 0) + 1 FROM line WHERE type = NEW.type AND priority = NEW.priority)
        ) ON CONFLICT (type, priority, camera) DO UPDATE SET queued = queued + 1;
    END;
    CREATE TRIGGER job_joins_line_again AFTER UPDATE OF state ON job
    WHEN NEW.state = 'queued' AND OLD.state != 'queued' BEGIN
        INSERT INTO line (type, priority, camera, queued, turn) VALUES (
            NEW.type, NEW.priority, ifnull(NEW.camera, ''), 1,
            (SELECT ifnull(max(turn), 0) + 1 FROM line WHERE type = NEW.type AND priority = NEW.priority)
        ) ON CONFLICT (type, priority, camera) DO UPDATE SET queued = queued + 1;
    END;
    CREATE TRIGGER job_leaves_line AFTER UPDATE OF state ON job
    WHEN OLD.state = 'queued' AND NEW.state != 'queued' BEGIN
        UPDATE line SET queued = queued - 1, turn = CASE NEW.state WHEN 'running' THEN
                (SELECT max(turn) + 1 FROM line WHERE type = NEW.type AND priority = NEW.priority) ELSE turn END
            WHERE type = NEW.type AND priority = NEW.priority AND camera = ifnull(NEW.camera, '');
        DELETE FROM line
            WHERE type = NEW.type AND priority = NEW.priority AND camera = ifnull(NEW.camera, '') AND queued <= 0;
    END;
    """,
}
"""What brings a ledger from the version before to this one."""
