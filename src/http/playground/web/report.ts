/** `extensions.unitOfWork` of a response: see the crate's `Report`. */
export interface Report {
  outcome: string;
  reason: string | null;
  isolation: string | null;
  access: string | null;
  /** `PRIMARY` or `REPLICA`: what the last attempt has used. Null where the database has one server, or was not used. */
  server: string | null;
  attempts: number;
  statements: number;
  milliseconds: number;
  waitMilliseconds: number;
  /** Missing where the server does not tell it. */
  timeline?: Step[];
  stepsLeftOut?: number;
}

export interface Step {
  attempt: number;
  step: string;
  sql?: string;
  field?: string;
  /** Such as `replica db2:5432`, where the database has several servers. */
  server?: string;
  /** Milliseconds from the operation's start. */
  at: number;
  /** Null where it had not ended when the response was made. */
  milliseconds: number | null;
  failure?: string;
}

export interface Answer {
  report: Report;
  /** The first error of the response. */
  error?: string;
}

export function answerIn(response: string | null | undefined): Answer | undefined {
  try {
    const { errors, extensions } = JSON.parse(response ?? '');
    return extensions?.unitOfWork && { report: extensions.unitOfWork, error: errors?.[0]?.message };
  } catch {
    // No answer yet, or an error that is not GraphQL's.
    return undefined;
  }
}
