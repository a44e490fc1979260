# One image with the three services: ingest, projector (and `projector migrate`) and query. The command picks one.
#
# The build needs no database: queries are checked against the committed .sqlx. It needs no particular builder either:
# nothing here is beyond the oldest version of the syntax.

# The slim variant has all it takes: a linker, and the C compiler for ring.
FROM rust:1.95-slim-bookworm AS build
# Writes into each binary which crates, in which versions, it is made of: what scanners of images look for.
RUN cargo install cargo-auditable --version 0.7.7 --locked
WORKDIR /src

# First the dependencies alone, from the manifests and an empty source for every member. This layer stays until one of
# the files named here changes. The launcher and the end-to-end tests are not in the image; Cargo only wants to see
# every member of the workspace.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY crates/contract/Cargo.toml crates/contract/
COPY crates/sketch/Cargo.toml crates/sketch/
COPY crates/service/Cargo.toml crates/service/
COPY crates/database/Cargo.toml crates/database/
COPY crates/event_log/Cargo.toml crates/event_log/
COPY crates/fold/Cargo.toml crates/fold/
COPY ingest/Cargo.toml ingest/
COPY projector/Cargo.toml projector/
COPY query/Cargo.toml query/
COPY dev/launcher/Cargo.toml dev/launcher/
COPY dev/testkit/Cargo.toml dev/testkit/
COPY dev/e2e/Cargo.toml dev/e2e/
COPY dev/drills/Cargo.toml dev/drills/
COPY dev/bench/Cargo.toml dev/bench/
# Afterwards nothing of the empty members may be left. Cargo compares times: the sources to come are older than what was
# built here and would pass for built.
RUN set -eu; \
    for member in */Cargo.toml */*/Cargo.toml; do \
        mkdir "${member%Cargo.toml}src"; \
        touch "${member%Cargo.toml}src/lib.rs"; \
        echo 'fn main() {}' > "${member%Cargo.toml}src/main.rs"; \
    done; \
    cargo auditable build --release --locked -p ingest -p projector -p query; \
    cargo clean --release --workspace; \
    rm -r crates/contract/src crates/sketch/src crates/service/src crates/database/src crates/event_log/src crates/fold/src ingest/src projector/src query/src

COPY .sqlx .sqlx
COPY migrations migrations
COPY nats/stream.json nats/
COPY crates crates
COPY ingest ingest
COPY projector projector
COPY query query
# What `--version` says. Given at build time, see below.
ARG REVISION=unknown
ENV TIDEMARK_COMMIT=$REVISION
# Line numbers are a part of each binary even when compressed. A backtrace is worth it.
RUN set -eu; \
    cargo auditable build --release --locked -p ingest -p projector -p query; \
    mkdir /image; \
    for service in ingest projector query; do \
        objcopy --compress-debug-sections=zlib "target/release/$service" "/image/$service"; \
    done

# `is-ready PORT` succeeds if GET /readyz answers 200 there, and prints the answer, which says what is missing. The
# shell does it because it is in the base image anyway; curl would bring a dozen libraries for one line.
RUN printf '%s\n' \
        '#!/bin/bash' \
        'exec 3<>"/dev/tcp/127.0.0.1/$1" || exit' \
        'printf "GET /readyz HTTP/1.0\r\n\r\n" >&3' \
        'IFS= read -r -t 8 -d "" answer <&3' \
        'printf "%s" "$answer"' \
        '[[ $answer == "HTTP/1."?" 200 "* ]]' \
        > /image/is-ready; \
    chmod 755 /image/is-ready; \
    mkdir /keys


# No package is added. There are no CA certificates: Postgres over TLS brings its own, and inside compose.yaml nothing
# speaks TLS. For a log behind TLS, mount a bundle and name it in NATS_CA_FILE.
FROM debian:bookworm-slim
COPY --from=build /image/ /usr/local/bin/
# Where a volume for files of keys belongs; a new one takes its owner from here.
COPY --from=build --chown=10001:10001 /keys/ /keys/

# A number, so that an orchestrator can see for itself that it is not root. Nothing else is written anywhere.
USER 10001:10001

# From outside of a container, its loopback cannot be reached. 3002 is the projector's health and metrics.
ENV INGEST_LISTEN=0.0.0.0:3000 QUERY_LISTEN=0.0.0.0:3001 PROJECTOR_LISTEN=0.0.0.0:3002
EXPOSE 3000 3001 3002

# A panic is a broken invariant and shows how it came about. An error is expected and does not take the time.
ENV RUST_BACKTRACE=1 RUST_LIB_BACKTRACE=0

# Otherwise the base image's shell would start and end without a word.
CMD ["sh", "-c", "echo 'Name a service: ingest, projector, projector migrate or query' >&2; exit 64"]

# Given at build time: --build-arg REVISION=$(git rev-parse HEAD)
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Tidemark" \
      org.opencontainers.image.description="Website analytics you can replay: ingest, projector and query." \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.licenses="Apache-2.0 OR MIT" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"
