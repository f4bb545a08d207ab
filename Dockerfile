# slipway, ready to run. Both base images are arguments, so that a mirror can stand in for Docker Hub.
ARG RUST_IMAGE=rust:1.95-slim-bookworm
ARG RUNTIME_IMAGE=debian:bookworm-slim

FROM ${RUST_IMAGE} AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
# the dependencies by themselves: this layer stays cached until Cargo.lock changes
RUN mkdir src && echo 'fn main() {}' >src/main.rs && : >src/lib.rs \
    && cargo build --release --locked \
    && rm -r src
COPY src src
COPY templates templates
RUN touch src/main.rs src/lib.rs && cargo build --release --locked

FROM ${RUNTIME_IMAGE}
# git receives the pushes; tini reaps what a killed push leaves
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates git tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin slipway \
    && install -d -o slipway -g slipway /data /keys
COPY --from=build /src/target/release/slipway /usr/local/bin/slipway
COPY keys /keys
USER 10001:10001
VOLUME /data
ENV SLIPWAY_DATA_DIR=/data SLIPWAY_ADMIN_KEYS=/keys SLIPWAY_SSH_LISTEN=0.0.0.0:2222 SLIPWAY_HTTP_LISTEN=0.0.0.0:8080
EXPOSE 2222 8080
ENTRYPOINT ["tini", "--", "slipway"]
CMD ["serve"]
