// One websocket that comes back by itself. Whoever uses it says what to resume.
const FIRST_WAIT = 400;
const LONGEST_WAIT = 8000;
const ACKNOWLEDGE_EVERY = 20;

export class Socket {
  constructor(path, { onEvent, onOpen, onState }) {
    this.url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
    Object.assign(this, { onEvent, onOpen, onState, waiting: [], tries: 0, unacknowledged: 0 });
    addEventListener("online", () => this.renew());
    addEventListener("offline", () => this.onState("offline"));
    this.connect();
  }

  connect() {
    if (this.link && this.link.readyState <= WebSocket.OPEN) return;
    clearTimeout(this.timer);
    const link = new WebSocket(this.url);
    this.link = link;
    link.onopen = () => {
      this.tries = 0;
      this.unacknowledged = 0;
      this.onState("open");
      this.onOpen();
      for (const message of this.waiting.splice(0)) link.send(JSON.stringify(message));
    };
    link.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    link.onclose = ({ code }) => this.#lost(code);
  }

  // After a change of network an open link may be dead without saying so: take a new one.
  renew() {
    this.link.onopen = this.link.onmessage = this.link.onclose = null;
    this.link.close();
    this.link = null;
    this.connect();
  }

  // Kept until the connection is there.
  send(message) {
    if (this.link.readyState === WebSocket.OPEN) this.link.send(JSON.stringify(message));
    else this.waiting.push(message);
  }

  #receive(event) {
    this.unacknowledged += 1;
    if (this.unacknowledged >= ACKNOWLEDGE_EVERY) {
      this.unacknowledged = 0;
      this.send({ type: "ack", n: event.n });
    }
    this.onEvent(event);
  }

  #lost(code) {
    if (code === 4401 || code === 4404) {
      this.onState("signed_out");
      return;
    }
    this.onState(navigator.onLine ? "reconnecting" : "offline");
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.tries);
    this.tries += 1;
    this.timer = setTimeout(() => this.connect(), wait * (0.75 + Math.random() / 2));
  }
}
