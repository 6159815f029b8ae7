"""The command `framebus`."""


def main() -> None:
    raise SystemExit("not yet")
