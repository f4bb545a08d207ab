RUN printf '%s\n' \
    'daemon off;' \
    'worker_processes 2;' \
    'pid /tmp/nginx.pid;' \
    'error_log /dev/stderr warn;' \
    'events { worker_connections 1024; }' \
    'http {' \
    '  include /etc/nginx/mime.types;' \
    '  default_type application/octet-stream;' \
    '  access_log /dev/stdout;' \
    '  client_body_temp_path /tmp/nginx-body;' \
    '  proxy_temp_path /tmp/nginx-proxy;' \
    '  fastcgi_temp_path /tmp/nginx-fastcgi;' \
    '  uwsgi_temp_path /tmp/nginx-uwsgi;' \
    '  scgi_temp_path /tmp/nginx-scgi;' \
    '  sendfile on;' \
    '  server_tokens off;' \
    '  absolute_redirect off;' \
    '  gzip on;' \
    '  gzip_types text/css text/plain application/javascript application/json image/svg+xml;' \
    '  server {' \
    '    listen @PORT@;' \
    '    root /srv/site;' \
    '    error_page 404 /404.html;' \
    '    location ~ /\.(?!well-known/) { return 404; }' \
{% if falls_back %}
    '    location / { try_files $uri $uri/ $uri.html /index.html; }' \
{% else %}
    '    location / { try_files $uri $uri/ $uri.html =404; }' \
{% endif %}
    '  }' \
    '}' >/etc/nginx/slipway.conf
