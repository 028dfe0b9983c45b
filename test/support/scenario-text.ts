/**
 * The form of text scenarios (test/scenarios/README.md): events at the left margin, what they brought about indented
 * beneath. A story is read, acted out, and written again; the two texts are the same when the story is true.
 */

/** One event line and the lines that were expected beneath it. */
interface Step {
  readonly event: string;
  readonly line: number;
}
type Part = { readonly type: "text"; readonly text: string } | ({ readonly type: "step" } & Step);

/** What acts a story out: the lines that an event brings about. `next`: the event line that follows, null at the end. */
export interface Stage {
  act(event: string, next: string | null): readonly string[];
}

const INDENT = "  ";

function partsOf(story: string): Part[] {
  const parts: Part[] = [];
  story.split("\n").forEach((text, i) => {
    if (text === "" || text.startsWith("#")) parts.push({ type: "text", text });
    else if (!text.startsWith(INDENT)) parts.push({ type: "step", event: text, line: i + 1 });
  });
  return parts;
}

/** The whole text as it should be: comments and events kept, the lines beneath the events written afresh. */
export function actOut(story: string, stage: Stage): string {
  const parts = partsOf(story);
  const steps = parts.flatMap((part) => (part.type === "step" ? [part.event] : []));
  let at = 0;
  const lines = parts.flatMap((part) => {
    if (part.type === "text") return [part.text];
    try {
      const brought = stage.act(part.event, steps[++at] ?? null);
      return [part.event, ...brought.map((line) => INDENT + line)];
    } catch (error) {
      throw new Error(`line ${part.line}, "${part.event}": ${String(error)}`, { cause: error });
    }
  });
  return lines.join("\n");
}

/** The words of an event: separated by blanks; a comma or colon at a word's end is only there for the reader. */
export class Words {
  readonly #event: string;
  readonly #words: string[];

  constructor(event: string) {
    this.#event = event;
    this.#words = event.split(/[,:]?\s+/).filter((word) => word !== "");
  }

  /** The next word. */
  take(): string {
    const word = this.#words.shift();
    if (word === undefined) throw new Error("a word is missing at the end");
    return word;
  }

  /** Takes the next word if it is one of these. */
  skip(...words: readonly string[]): boolean {
    if (!words.includes(this.#words[0] ?? "")) return false;
    this.#words.shift();
    return true;
  }

  /** Takes the next words, which must be these. */
  demand(...words: readonly string[]): this {
    for (const word of words) if (!this.skip(word)) throw new Error(`expected "${word}"`);
    return this;
  }

  number(): number {
    return numberIn(this.take());
  }

  /** A time as `at 150ms`. */
  time(): number {
    this.demand("at");
    const word = this.take();
    if (!word.endsWith("ms")) throw new Error(`expected a time such as 150ms, received ${word}`);
    return numberIn(word.slice(0, -2));
  }

  /** Numbers joined by commas. */
  numbers(): number[] {
    return this.take().split(",").map(numberIn);
  }

  /** The value behind a name anywhere in the rest of the line, or null; both words are taken. */
  field(name: string): string | null {
    const at = this.#words.indexOf(name);
    if (at < 0) return null;
    const [, value] = this.#words.splice(at, 2);
    if (value === undefined) throw new Error(`${name} has no value`);
    return value;
  }

  numberField(name: string, fallback?: number): number {
    const value = this.field(name);
    if (value !== null) return numberIn(value);
    if (fallback === undefined) throw new Error(`${name} is missing`);
    return fallback;
  }

  /** Nothing may be left: a word that nobody understood is a mistake in the story. */
  end(): void {
    if (this.#words.length > 0) throw new Error(`not understood: ${this.#words.join(" ")}, in: ${this.#event}`);
  }
}

function numberIn(word: string): number {
  if (!/^\d+$/.test(word)) throw new Error(`expected a number, received ${word}`);
  return Number(word);
}
