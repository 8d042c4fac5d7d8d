// nodemailer's pool: ten connections that are never renewed. Arguments: port, the job's file.
import { readFileSync } from "node:fs";
import nodemailer from "nodemailer";

const [port, file] = process.argv.slice(2);
const { mail, readers } = JSON.parse(readFileSync(file, "utf8"));
const pool = nodemailer.createTransport({
  host: "127.0.0.1",
  port: Number(port),
  secure: false,
  ignoreTLS: true,
  pool: true,
  maxConnections: 10,
  maxMessages: Infinity,
});

function message(reader) {
  let { text, html } = mail;
  for (const [token, value] of Object.entries(reader.values)) {
    text = text.replaceAll(token, value);
    html = html.replaceAll(token, value);
  }
  const to = `${reader.name} <${reader.address}>`;
  return { from: mail.from, to, subject: mail.subject, text, html, list: { unsubscribe: reader.unsubscribe } };
}

// Some more than the connections under way, so that none waits for the next message.
let next = 0;
async function feed() {
  while (next < readers.length) await pool.sendMail(message(readers[next++]));
}
const began = performance.now();
await Promise.all(Array.from({ length: 30 }, feed));
const seconds = (performance.now() - began) / 1000;
pool.close();
console.log(JSON.stringify({ messages: readers.length, seconds }));
