# The image of the exporter. Nothing but the wheel of this folder and its hash-checked dependencies is added to the base.
#
#   docker build --build-arg REVISION=$(git rev-parse HEAD) -t huaweicloud-job-exporter .
#   docker buildx build --platform linux/amd64,linux/arm64 --sbom=true --provenance=mode=max --push -t NAME .
#
# BASE is any image that has Python 3.11 or later as `python`, with venv. Name one by its digest
# (--build-arg BASE=python:3.13-slim@sha256:...) to build the same bytes again.
ARG BASE=python:3.13-slim

FROM $BASE AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements/ requirements/
# Two environments: what builds stays behind, and what runs has no pip.
RUN python -m venv /build \
 && /build/bin/pip install --require-hashes -r requirements/build.txt \
 && python -m venv --without-pip /app \
 && /build/bin/pip --python /app/bin/python install --no-compile --require-hashes --only-binary :all: \
      -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY exporter/ exporter/
# What is copied as it is must be readable by every user, whatever the umask of the checkout; a wheel sees to that itself.
COPY --chmod=644 deploy/image/healthcheck.py /app/
# The root filesystem may be read-only, so everything is compiled now; by hash, because files keep no times in layers.
# Sets are written in the order of their hashes, which must be the same each time; pip compiled what it imported itself.
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
 && /build/bin/pip --python /app/bin/python install --no-compile --no-deps --no-index /wheel/*.whl \
 && PYTHONHASHSEED=0 python -m compileall -q -f --invalidation-mode unchecked-hash /app \
 && mkdir /state

FROM $BASE
ARG BASE
ARG REVISION=unknown
LABEL org.opencontainers.image.title="huaweicloud-job-exporter" \
      org.opencontainers.image.description="Prometheus exporter for the progress of DLI, DWS, CDM and DataArts jobs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.base.name="$BASE"
ENV SOURCE_REVISION=$REVISION PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /app /app
# For a journal: a volume that is mounted here for the first time takes over the owner.
COPY --from=build --chown=65532:65532 /state /var/lib/exporter
USER 65532:65532
EXPOSE 10926
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s CMD ["python", "-I", "-S", "/app/healthcheck.py"]
ENTRYPOINT ["huaweicloud-job-exporter"]
CMD ["run", "--config", "/etc/exporter/exporter.yaml"]
