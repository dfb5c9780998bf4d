import type { Report, Step } from './report';

/** What each step is called, and what it means. */
const STEPS: Record<string, [name: string, meaning: string]> = {
  WAIT: ['wait', 'waited for a connection'],
  BEGIN: ['BEGIN', 'the transaction begins, with the first statement'],
  STATEMENT: ['statement', ''],
  SAVEPOINT: ['savepoint', ''],
  COMMIT: ['COMMIT', 'before the response'],
  ROLLBACK: ['ROLLBACK', 'nothing of this attempt happened'],
  CLOSE: ['close', 'the connection was closed, because its state was in doubt'],
  RUN_AGAIN: ['run again', 'lost a conflict, and waited before the next attempt'],
  SNAPSHOT: ['run again', 'there is a second statement: both on one snapshot'],
};

export function Timeline({ of: report }: { of: Report }) {
  const steps = report.timeline ?? [];
  const end = Math.max(report.milliseconds, ...steps.map((step) => step.at + (step.milliseconds ?? 0)));
  const left = report.stepsLeftOut ?? 0;
  /** The server of the last step before this one that needed one. */
  const serverBefore = (index: number) => steps.slice(0, index).findLast((step) => step.server !== undefined)?.server;
  return (
    <>
      <ol className="timeline">
        {steps.map((step, index) => (
          <Row
            key={index}
            step={step}
            end={end}
            isNew={index > 0 && steps[index - 1].attempt !== step.attempt}
            isElsewhere={step.server !== undefined && step.server !== serverBefore(index)}
          />
        ))}
      </ol>
      {left > 0 && <p>{left} more steps are not shown.</p>}
    </>
  );
}

interface RowOf {
  step: Step;
  end: number;
  /** Whether it is the first of an attempt. */
  isNew: boolean;
  /** Whether the steps before it were at another server. */
  isElsewhere: boolean;
}

function Row({ step, end, isNew, isElsewhere }: RowOf) {
  const [name, meaning] = STEPS[step.step] ?? [step.step, ''];
  const share = (time: number) => `${end > 0 ? (100 * time) / end : 0}%`;
  const took = step.milliseconds ?? end - step.at;
  return (
    <li data-step={step.step} data-failure={step.failure}>
      {isNew && <h4>Attempt {step.attempt}</h4>}
      {isElsewhere && <div className="server">on the {step.server}</div>}
      <div className="step">
        <strong>{name}</strong>
        <span className="time">{step.milliseconds === null ? 'not ended' : time(step.milliseconds)}</span>
      </div>
      <div className="track" title={`from ${time(step.at)} on`}>
        <div style={{ left: share(step.at), width: share(took) }} />
      </div>
      {step.sql && <pre tabIndex={0}>{step.sql}</pre>}
      {step.sql && step.field && (
        <div className="note">
          for <code>{step.field}</code>
        </div>
      )}
      {step.failure ? (
        <div className="failure">failed: {step.failure.toLowerCase().replaceAll('_', ' ')}</div>
      ) : (
        meaning && <div className="note">{meaning}</div>
      )}
    </li>
  );
}

export function time(milliseconds: number): string {
  return `${milliseconds < 10 ? milliseconds.toFixed(2) : milliseconds.toFixed(0)} ms`;
}
