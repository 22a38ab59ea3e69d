# syntax=docker/dockerfile:1
FROM docker.io/library/python:3.13-slim AS build
WORKDIR /src
COPY requirements/ requirements/
RUN python -m venv /app && /app/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY exporter/ exporter/

FROM docker.io/library/python:3.13-slim
ARG REVISION=unknown
ENV SOURCE_REVISION=$REVISION PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/src PATH=/app/bin:$PATH
LABEL org.opencontainers.image.title="huaweicloud-job-exporter" \
      org.opencontainers.image.description="Prometheus exporter for DLI, DWS and CDM jobs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision=$REVISION
COPY --from=build /app /app
COPY --from=build /src/exporter /src/exporter
USER 65532:65532
EXPOSE 10926
HEALTHCHECK --interval=30s --timeout=5s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:10926/-/healthy', timeout=4)"]
ENTRYPOINT ["python", "-m", "exporter"]
CMD ["run", "--config", "/etc/exporter/exporter.yaml"]
