# As the official image: user nginx is 101, logs go to the container's output, curl is there, njs is a module.
ARG BASE
FROM ${BASE}
RUN echo 'nginx:x:101:' >> /etc/group \
    && echo 'nginx:x:101:101:nginx:/nonexistent:/bin/false' >> /etc/passwd \
    && apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends ca-certificates curl libnginx-mod-http-js nginx \
    && rm -rf /var/lib/apt/lists/* /etc/nginx/modules-enabled /etc/nginx/sites-* /etc/nginx/conf.d \
    && mkdir -p /etc/nginx/conf.d /var/cache/nginx /docker-entrypoint.d \
    && ln -sfn /usr/lib/nginx/modules /etc/nginx/modules \
    && ln -sf /dev/stdout /var/log/nginx/access.log \
    && ln -sf /dev/stderr /var/log/nginx/error.log \
    && sed -i 's/^user .*/user nginx;/; /modules-enabled/d; /sites-enabled/d' /etc/nginx/nginx.conf \
    && printf '#!/bin/sh\nset -e\nexec "$@"\n' > /docker-entrypoint.sh \
    && chmod 755 /docker-entrypoint.sh
EXPOSE 80
STOPSIGNAL SIGQUIT
ENTRYPOINT ["/docker-entrypoint.sh"]
CMD ["nginx", "-g", "daemon off;"]
