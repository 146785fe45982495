# One image for every process: the command is the process.
#   docker build -t orderwheel .
#   docker run -e DATABASE_URL=postgresql://... orderwheel migrate
#   docker run -e DATABASE_URL=postgresql://... -p 8080:8080 orderwheel api
# A shop's own configuration replaces /app/orderwheel.config.ts: mount it, or build an image FROM this one.

FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund

FROM node:24-slim
LABEL org.opencontainers.image.title="Orderwheel" \
      org.opencontainers.image.description="Take the order now, do the slow work later, on the one Postgres you already run." \
      org.opencontainers.image.licenses="MIT"
# Without NODE_ENV=production the development keys would be accepted.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080
WORKDIR /app
# Owned by root, so that the process cannot change its own code.
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE orderwheel.config.ts ./
COPY bin ./bin
COPY migrations ./migrations
COPY src ./src
USER node
EXPOSE 8080
# Every process finishes or hands back what is in flight within 13 s of it; give it 15 before killing.
STOPSIGNAL SIGTERM
# For the api. Relay and worker serve no HTTP: switch it off for them, as compose.yaml does.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/readyz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "bin/orderwheel.js"]
CMD ["api"]
