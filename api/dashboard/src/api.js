// The node's REST API with a key. Errors carry the problem document.

export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail || body?.title || `The node answered with status ${status}.`);
    this.status = status;
    this.body = body;
  }
}

export class Offline extends Error {}

export class Api {
  constructor(key) {
    this.key = key;
  }

  async fetch(method, path, { accept = "application/json", body, text } = {}) {
    const content = text ?? (body === undefined ? undefined : JSON.stringify(body));
    let answer;
    try {
      answer = await fetch(path, {
        method,
        cache: "no-store",
        credentials: "omit",
        headers: {
          Accept: accept,
          ...(this.key ? { Authorization: `Bearer ${this.key}` } : {}),
          ...(content === undefined ? {} : { "Content-Type": "application/json" }),
        },
        body: content,
      });
    } catch {
      throw new Offline("The node does not answer.");
    }
    if (!answer.ok) {
      throw new Problem(answer.status, await answer.json().catch(() => null));
    }
    return answer;
  }

  async get(path) {
    const answer = await this.fetch("GET", path);
    try {
      return await answer.json();
    } catch { // cut off in its midst
      throw new Offline("The node does not answer.");
    }
  }

  // null where the node has no such thing (yet): 404 and 501.
  async maybe(path) {
    try {
      return await this.get(path);
    } catch (error) {
      if (error instanceof Problem && (error.status === 404 || error.status === 501)) return null;
      throw error;
    }
  }

  // Every page of a list.
  async all(path) {
    const items = [];
    for (let next = path, pages = 0; next && pages < 50; pages++) {
      const page = await this.get(next);
      items.push(...page.items);
      if (!page.next) break;
      next = page.next.startsWith("/") ? page.next : `${path}${path.includes("?") ? "&" : "?"}cursor=${encodeURIComponent(page.next)}`;
    }
    return items;
  }

  async download(path, fallbackName) {
    const answer = await this.fetch("GET", path, { accept: "*/*" });
    const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? fallbackName;
    const url = URL.createObjectURL(await answer.blob());
    const a = document.createElement("a");
    a.href = url;
    a.download = name;
    document.body.append(a);
    a.click();
    a.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
    return name;
  }
}

export const enc = encodeURIComponent;
