/** What reading tracking files brings to light. */

/** Something that is not as its server wrote it. */
export interface Fault {
  /** path of the file */
  readonly file: string;
  /** line in that file, 0 = the file as a whole */
  readonly line: number;
  readonly what: string;
}

export class Findings {
  readonly faults: Fault[] = [];
  /** what is worth knowing and no fault */
  readonly notes: string[] = [];

  fault(file: string, line: number, what: string): void {
    this.faults.push({ file, line, what });
  }

  note(what: string): void {
    if (!this.notes.includes(what)) this.notes.push(what);
  }
}
