import { useGraphiQL, type GraphiQLPlugin } from '@graphiql/react';
import { answerIn, type Answer, type Report } from './report';
import { Timeline, time } from './timeline';

/** Why a unit was rolled back. */
const REASONS: Record<string, string> = {
  ERROR: 'the response has an error',
  DOOMED: 'a statement failed or was abandoned',
  DEADLINE: 'the operation passed its deadline',
  PANIC: 'a resolver panicked',
  COMMIT_FAILED: 'the database refused COMMIT',
  ROLLBACK_ONLY: 'a resolver asked for it',
  DRY_RUN: 'it was a dry run',
};

const OUTCOMES: Record<string, string> = {
  UNTOUCHED: 'The database was not used: no connection was taken, and nothing began.',
  COMMITTED: 'Everything was committed before this response was sent.',
  REPLAYED: 'An earlier operation had the same idempotency key: this is its response, and nothing ran.',
  UNKNOWN: 'The connection was lost during COMMIT, and the database could not say what became of it.',
};

function Panel() {
  const answer = answerIn(useGraphiQL((state) => state.tabs[state.activeTabIndex]?.response));
  return (
    <section className="unit-of-work" aria-label="Unit of work">
      <h2>Unit of work</h2>
      {answer ? <Unit of={answer} /> : <p>Run an operation to see what its unit of work did.</p>}
    </section>
  );
}

function Unit({ of: { report, error } }: { of: Answer }) {
  return (
    <>
      <p className="outcome" data-outcome={report.outcome}>
        <strong>{report.outcome.replaceAll('_', ' ')}</strong>
        {report.reason && <> because {REASONS[report.reason] ?? report.reason}</>}
      </p>
      <p>{OUTCOMES[report.outcome] ?? (report.outcome === 'READ' ? read(report) : null)}</p>
      {report.outcome === 'ROLLED_BACK' && error && <blockquote>{error}</blockquote>}
      <Facts of={report} />
      {report.timeline && report.timeline.length > 0 && <Timeline of={report} />}
    </>
  );
}

/** What a query's end costs: its timeline ends before it. */
function read(report: Report): string {
  const began = report.timeline?.some((step) => step.step === 'BEGIN') ?? true;
  return began
    ? 'All was read on one snapshot, which is let go after this response.'
    : 'The one statement was its own snapshot: no BEGIN, and nothing to end.';
}

function Facts({ of: report }: { of: Report }) {
  const facts: [string, string | number | null][] = [
    ['isolation', report.isolation],
    ['access', report.access],
    ['server', serverOf(report)],
    ['attempts', report.attempts],
    ['statements', report.statements],
    ['waited for a connection', report.isolation && time(report.waitMilliseconds)],
    ['in all', time(report.milliseconds)],
  ];
  return (
    <dl>
      {facts.map(
        ([name, value]) =>
          value !== null && (
            <div key={name} data-fact={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

/** The server of the last attempt, by its name where the timeline has it. */
function serverOf(report: Report): string | null {
  const named = report.timeline?.findLast((step) => step.server !== undefined);
  return named?.server ?? report.server?.toLowerCase() ?? null;
}

function Icon() {
  return (
    <svg viewBox="0 0 20 20" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
      <rect x="3" y="3" width="14" height="14" rx="2" />
      <path d="M6.5 10.5l2.5 2.5 4.5-6" />
    </svg>
  );
}

/** A panel beside the editor: what the unit of work of the tab's last response did, step by step, and how it ended. */
export const UNIT_OF_WORK: GraphiQLPlugin = { title: 'Unit of work', icon: Icon, content: Panel };
