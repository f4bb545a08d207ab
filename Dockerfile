# slipway's image. The base images are build arguments, so that a mirror can replace Docker Hub. BINARY_FROM may name an image that
# contains the binary as /slipway; the build then compiles nothing.
ARG RUST_IMAGE=rust:1.95-slim-bookworm
ARG RUNTIME_IMAGE=debian:bookworm-slim
ARG BINARY_FROM=build

FROM ${RUST_IMAGE} AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
# cargo needs the manifest of the benchmarks, which are a workspace member, but does not compile them here
COPY bench/Cargo.toml bench/
# compiles only the dependencies: this layer stays cached until Cargo.toml or Cargo.lock changes
RUN mkdir src bench/src && echo 'fn main() {}' | tee src/main.rs >bench/src/main.rs && : >src/lib.rs \
    && cargo build --release --locked \
    && rm -r src
COPY src src
COPY templates templates
ARG COMMIT
RUN touch src/main.rs src/lib.rs && SLIPWAY_COMMIT=${COMMIT} cargo build --release --locked && mv target/release/slipway /slipway

FROM ${BINARY_FROM} AS binary

FROM ${RUNTIME_IMAGE}
# git receives the pushes; tini reaps orphaned processes of a killed push. A base image that contains both needs no network.
RUN if ! command -v git || ! command -v tini; then \
      apt-get update && apt-get install -y --no-install-recommends ca-certificates git tini && rm -rf /var/lib/apt/lists/*; \
    fi \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin slipway \
    && install -d -o slipway -g slipway /data /keys
COPY --from=binary /slipway /usr/local/bin/slipway
COPY keys /keys
USER 10001:10001
VOLUME /data
ENV SLIPWAY_DATA_DIR=/data SLIPWAY_ADMIN_KEYS=/keys SLIPWAY_SSH_LISTEN=0.0.0.0:2222 SLIPWAY_HTTP_LISTEN=0.0.0.0:8080
EXPOSE 2222 8080
ENTRYPOINT ["tini", "--", "slipway"]
CMD ["serve"]
