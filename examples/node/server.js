const http = require("http");
const prettyMilliseconds = require("pretty-ms");

const started = Date.now();

http
  .createServer((request, response) => {
    response.end(`Hello from Node.js, up for ${prettyMilliseconds(Date.now() - started)}\n`);
  })
  .listen(process.env.PORT || 8080);
