# Builds the executable and runs it as a user without rights on a small base.
#
#   docker build -t roomwire --build-arg ROOMWIRE_COMMIT="$(git rev-parse HEAD)" .
#   docker run --rm --network host -e LIVEKIT_KEYS="key: secret" roomwire --node-ip 203.0.113.7

FROM --platform=$BUILDPLATFORM node:22-bookworm-slim AS build
RUN npm install --global deno@2.9.6
WORKDIR /src
COPY . .
# What `--version` says; the context has no clone to ask.
ARG ROOMWIRE_COMMIT=""
ENV ROOMWIRE_COMMIT=$ROOMWIRE_COMMIT
# The runtime of the image's processor takes the program; nothing of that processor runs here.
ARG TARGETARCH
RUN deno task compile-for $TARGETARCH

FROM debian:bookworm-slim
# libcrypto, for native ciphers.
RUN apt-get update && apt-get install -y --no-install-recommends libssl3 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --no-create-home --shell /usr/sbin/nologin roomwire
COPY --from=build /src/roomwire /usr/local/bin/roomwire
USER roomwire
# The documentation, at /docs; `docs: false` or LIVEKIT_DOCS=false turns it off.
ENV LIVEKIT_DOCS=true
# HTTP and WebSocket, media over TCP, media over UDP.
EXPOSE 7880/tcp 7881/tcp 7882/udp
ENTRYPOINT ["/usr/local/bin/roomwire"]
