# Warren as an image of one static program: `docker build -t warren .`, then `docker compose up` or
#
#   docker run --read-only --stop-timeout 45 -p 8080:8080 -v warren:/var/lib/warren warren
#
# docs/INSTALL.md says what else there is to it.

ARG RUST=1.95

FROM rust:${RUST}-alpine AS build
# The C compiler for SQLite, ring and mimalloc, the root certificates that webhooks are checked by, and Python for the list of
# licences.
# hadolint ignore=DL3018
RUN apk add --no-cache gcc musl-dev ca-certificates python3
WORKDIR /build
COPY . .
RUN cargo build --locked --profile dist \
 && packaging/rootfs.sh target/dist/warren /etc/ssl/certs/ca-certificates.crt /image /data

FROM scratch
LABEL org.opencontainers.image.title="warren" \
      org.opencontainers.image.description="A self-hosted realtime channels server" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image/ /
# A volume that is new takes over to whom the folder belongs.
COPY --from=build --chown=10001:10001 /data/ /var/lib/warren/
ENV WARREN_LISTEN=0.0.0.0:8080 \
    WARREN_DATA=/var/lib/warren \
    HOME=/var/lib/warren
USER 10001:10001
WORKDIR /var/lib/warren
VOLUME /var/lib/warren
EXPOSE 8080
# Sockets are closed in order and what is stored is brought to its place; `docker stop` must wait for it (--stop-timeout,
# or compose's stop_grace_period), and its own 10 s are too short for that.
STOPSIGNAL SIGTERM
# It asks 127.0.0.1:8080; with another WARREN_LISTEN set WARREN_URL too.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/bin/warren", "health"]
ENTRYPOINT ["/usr/bin/warren"]
CMD ["serve"]
