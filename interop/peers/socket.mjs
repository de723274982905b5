// A telephone in a browser, without the browser: SIP.js over a WebSocket (RFC 7118). Lines of JSON go in and out.
//   {"send": URI, "text": TEXT, "type": TYPE}  sends a MESSAGE; "answer" comes when its final response has
// Out: {"ready": true}, {"message": {...}}, {"answer": {...}}, {"sent": RAW}, {"received": RAW}, {"error": TEXT}
// Arguments: the directory of SIP.js, the URL of the server, the own URI, and a file of the authority for wss.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import readline from "node:readline";

const [home, server, uri, authority] = process.argv.slice(2);
const Plain = createRequire("/usr/share/nodejs/x")("/usr/share/nodejs/ws");
globalThis.WebSocket = class extends Plain {
  constructor(url, protocols) {
    super(url, protocols, authority ? { ca: readFileSync(authority) } : {});
  }
};
const { UserAgent, Messager, LogLevel } = await import(`${home}/lib/index.js`);

const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");
const agent = new UserAgent({
  uri: UserAgent.makeURI(uri),
  transportOptions: { server, traceSip: true },
  logBuiltinEnabled: false,
  logLevel: "debug",
  // The trace of its transport: what it received and sent, as it was on the wire.
  logConnector: (level, category, label, content) => {
    for (const [words, what] of [["Received WebSocket text message:\n\n", "received"], ["Sending WebSocket message:\n\n", "sent"]]) {
      if (String(content).startsWith(words)) say({ [what]: content.slice(words.length) });
    }
    if (level === "error" || level === "warn") say({ error: String(content) });
  },
  delegate: {
    onMessage: (message) => {
      const { request } = message;
      say({ message: { text: request.body, from: request.from.uri.toString(), type: request.getHeader("content-type") } });
      message.accept();
    },
  },
});
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { send, text, type } = JSON.parse(line);
  const tell = (response) => say({ answer: { status: response.message.statusCode, reason: response.message.reasonPhrase } });
  new Messager(agent, UserAgent.makeURI(send), text, type ?? "text/plain").message({
    requestDelegate: { onAccept: tell, onReject: tell },
  });
});
agent.start().then(() => say({ ready: true }), (error) => { say({ error: error.message }); process.exit(1); });
