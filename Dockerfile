# framebus in one image: every kind of service, and the command that starts them.
#
#   docker build -t framebus .
#
# Only wheels are installed: nothing is compiled. PyAV's wheel (extra `cameras`, part of `all`) carries the encoders x264
# and x265, which are GPL: who hands this image on hands those on, too.

FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY protocol protocol
COPY services services
COPY launcher launcher
RUN python -m venv /opt/framebus \
 && /opt/framebus/bin/pip install --no-cache-dir --only-binary :all: ".[all]"

FROM python:3.12-slim
COPY --from=build /opt/framebus /opt/framebus
# Volumes that are mounted here take owner and mode from these folders.
RUN groupadd --gid 10001 framebus \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin framebus \
 && install -d -o framebus -g framebus -m 0700 /run/framebus \
 && install -d -o framebus -g framebus -m 0750 /data \
 && install -d -m 0755 /config
ENV PATH=/opt/framebus/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    FRAMEBUS_RUN=/run/framebus
USER 10001:10001
WORKDIR /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s --retries=3 \
    CMD ["framebus", "call", "dispatcher", "ping", "--deadline", "5"]
ENTRYPOINT ["framebus"]
CMD ["up", "-c", "/config/framebus.yml", "--data", "/data", "--plain"]
