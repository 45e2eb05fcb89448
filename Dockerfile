# One container with nginx, PHP-FPM, a WordPress and Kedge's worker; see docker-compose.yml.

FROM node:20.19.5-bookworm-slim AS build
WORKDIR /usr/src/kedge
COPY package.json package-lock.json .npmrc ./
RUN npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
COPY scripts ./scripts
RUN node scripts/build.mjs && npm prune --omit=dev --no-save --ignore-scripts --no-audit --no-fund --loglevel=error

FROM node:20.19.5-bookworm-slim
RUN apt-get update \
  && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    bubblewrap bzip2 e2fsprogs gzip mariadb-client nginx-light \
    php-cli php-curl php-fpm php-gd php-intl php-mbstring php-mysql php-xml php-zip \
    tar util-linux wordpress wordpress-theme-twentytwentythree zstd \
  && rm -rf /var/lib/apt/lists/* /etc/nginx/sites-enabled/* /srv/www
RUN useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin wordpress \
  && install -d -m 0755 /srv/www /etc/nginx/kedge.d /var/lib/kedge-web \
  && install -d -m 0700 /var/lib/kedge
COPY --from=build /usr/src/kedge/package.json /usr/local/lib/kedge/
COPY --from=build /usr/src/kedge/node_modules /usr/local/lib/kedge/node_modules
COPY --from=build /usr/src/kedge/dist /usr/local/lib/kedge/dist
COPY packaging/container/kedge.yaml /etc/kedge/kedge.yaml
COPY packaging/container/nginx.conf /etc/nginx/nginx.conf
COPY packaging/container/php-fpm.conf packaging/container/wp-config.php /usr/local/share/kedge/
COPY packaging/container/entrypoint /usr/local/bin/kedge-container
COPY packaging/container/health /usr/local/bin/kedge-container-health
RUN ln -s /usr/local/lib/kedge/dist/src/cli/main.js /usr/local/bin/kedge \
  && chmod 0644 /etc/kedge/kedge.yaml \
  && kedge --version \
  && kedge config check --file-only \
  && nginx -t \
  && php-fpm8.2 --fpm-config /usr/local/share/kedge/php-fpm.conf --test

EXPOSE 80
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/kedge-container"]
