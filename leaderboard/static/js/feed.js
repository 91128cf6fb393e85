// Figures from the server: by server-sent events, and by polling every two seconds where those do not get through.

const POLL_MS = 2000;
const IDLE_MS = 12000; // the server sends a status at least every five seconds
const FIRST_MS = 6000; // a proxy that buffers events never delivers the first one
const RETRY_MS = 30000;

export class Feed {
  /** `onLink` gets "connecting", "open", "polling" or "lost". */
  constructor({ onBoards, onStatus, onLink }) {
    Object.assign(this, { onBoards, onStatus, onLink });
    setInterval(() => this.#watch(), 1000);
  }

  /** Follow a range with so many entries per board. */
  follow(range, limit) {
    this.query = new URLSearchParams({ range, limit });
    if (!this.polling) return this.#open();
    this.source.close(); // it may be buffered, and deliver events of the previous query later
    this.#stopPolling();
    this.#poll();
  }

  #open() {
    this.source?.close();
    this.received = null;
    this.opened = performance.now();
    const source = new EventSource(`/api/v1/stream?${this.query}`);
    this.source = source;
    const receive = (handle) => (event) => {
      if (source !== this.source) return;
      this.received = performance.now();
      this.#stopPolling();
      this.onLink("open");
      handle(JSON.parse(event.data));
    };
    source.addEventListener("boards", receive(this.onBoards));
    source.addEventListener("status", receive(this.onStatus));
    source.addEventListener("error", () => {
      if (source !== this.source) return;
      if (source.readyState === EventSource.CLOSED) this.#poll();
      else if (!this.polling) this.onLink("lost");
    });
  }

  #watch() {
    if (!this.source) return;
    const now = performance.now();
    const idle = this.received !== null && now - this.received > IDLE_MS;
    const never = this.received === null && now - this.opened > FIRST_MS;
    if (this.polling) {
      if (now - this.opened > RETRY_MS) this.#open();
    } else if (never) {
      this.#poll();
    } else if (idle) {
      this.onLink("lost");
      this.#open();
    }
  }

  #poll() {
    if (this.polling) return;
    const poll = async () => {
      try {
        const response = await fetch(`/api/v1/snapshot?${this.query}`, { signal: AbortSignal.timeout(POLL_MS * 3) });
        const snapshot = await response.json();
        if (!this.polling) return;
        this.onLink("polling");
        if (response.ok) {
          this.onBoards(snapshot.boards);
          this.onStatus(snapshot.status);
        } else {
          this.onStatus(await (await fetch("/api/v1/status")).json());
        }
      } catch {
        if (this.polling) this.onLink("lost");
      }
    };
    this.polling = setInterval(poll, POLL_MS);
    poll();
  }

  #stopPolling() {
    clearInterval(this.polling);
    this.polling = null;
  }
}
