// What the server says: by server-sent events, and by asking every two seconds where those do not get through.

const POLL_MS = 2000;
const SILENT_MS = 12000; // the server speaks every second, at the least every five
const FIRST_MS = 6000; // a proxy that holds events back never delivers the first one
const AGAIN_MS = 30000;

export class Feed {
  /** `onLink` gets "connecting", "open", "polling" or "lost". */
  constructor({ onBoards, onStatus, onLink }) {
    Object.assign(this, { onBoards, onStatus, onLink });
    this.opened = 0;
    setInterval(() => this.#watch(), 1000);
  }

  /** Follow a range with so many entries per board. */
  follow(range, limit) {
    this.query = new URLSearchParams({ range, limit });
    if (!this.polling) return this.#open();
    this.source.close(); // it may be held back, and then come with what was asked for before
    this.#stopPolling();
    this.#poll();
  }

  #open() {
    this.source?.close();
    this.heard = null;
    this.tried = performance.now();
    const source = new EventSource(`/api/v1/stream?${this.query}`);
    this.source = source;
    const hear = (take) => (event) => {
      if (source !== this.source) return;
      this.heard = performance.now();
      this.#stopPolling();
      this.onLink("open");
      take(JSON.parse(event.data));
    };
    source.addEventListener("boards", hear(this.onBoards));
    source.addEventListener("status", hear(this.onStatus));
    source.addEventListener("error", () => {
      if (source !== this.source) return;
      if (source.readyState === EventSource.CLOSED) this.#poll();
      else if (!this.polling) this.onLink("lost");
    });
  }

  #watch() {
    if (!this.source) return;
    const now = performance.now();
    const silent = this.heard !== null && now - this.heard > SILENT_MS;
    const never = this.heard === null && now - this.tried > FIRST_MS;
    if (this.polling) {
      if (now - this.tried > AGAIN_MS) this.#open();
    } else if (never) {
      this.#poll();
    } else if (silent) {
      this.onLink("lost");
      this.#open();
    }
  }

  #poll() {
    if (this.polling) return;
    const ask = async () => {
      try {
        const response = await fetch(`/api/v1/snapshot?${this.query}`, { signal: AbortSignal.timeout(POLL_MS * 3) });
        const said = await response.json();
        if (!this.polling) return;
        this.onLink("polling");
        if (response.ok) {
          this.onBoards(said.boards);
          this.onStatus(said.status);
        } else {
          this.onStatus(await (await fetch("/api/v1/status")).json());
        }
      } catch {
        if (this.polling) this.onLink("lost");
      }
    };
    this.polling = setInterval(ask, POLL_MS);
    ask();
  }

  #stopPolling() {
    clearInterval(this.polling);
    this.polling = null;
  }
}
