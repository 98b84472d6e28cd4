// A receiver as its users write them: an HTTP server whose calls are verified by the packages standardwebhooks and svix, unmodified.
// node receiver.js PORT
//   PUT  /secrets   a JSON array: from now on every call must be right for each of them, by all packages
//   POST /…         a call: 204 when it is, else 400 with the reason
//   GET  /calls     what came and was right, oldest first: [{id, type, headers, body}]
import { createServer } from "node:http";
import { Webhook as Standard } from "standardwebhooks";
import { Webhook as Svix } from "svix";   // calls standardwebhooks
import { Webhook as SvixOfItsOwn } from "svix-of-its-own";   // an older one, whose verifier is code of its own

let secrets = [];
const calls = [];

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString("utf8");
  const answer = (status, text) => response.writeHead(status, { "content-type": "application/json" }).end(text);
  try {
    if (request.method === "PUT") secrets = JSON.parse(body);
    else if (request.method === "POST") calls.push(verified(request.headers, body));
    else return answer(200, JSON.stringify(calls));
    answer(204);
  } catch (error) {
    answer(400, JSON.stringify(String(error)));
  }
}).listen(Number(process.argv[2]), "127.0.0.1", () => console.log("listening"));

function verified(headers, body) {
  if (secrets.length === 0) throw new Error("There is no secret to verify with.");
  for (const secret of secrets)
    for (const library of [Standard, Svix, SvixOfItsOwn]) new library(secret).verify(body, headers);
  return { id: headers["webhook-id"], type: JSON.parse(body).type, headers, body };
}
