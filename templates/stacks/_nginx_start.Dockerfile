ENV PORT=8080
USER 10001
EXPOSE 8080
ENTRYPOINT []
CMD ["/bin/sh", "-c", "sed \"s/@PORT@/$PORT/\" /etc/nginx/slipway.conf >/tmp/nginx.conf && exec nginx -c /tmp/nginx.conf"]
