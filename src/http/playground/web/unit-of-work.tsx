import { useGraphiQL, type GraphiQLPlugin } from '@graphiql/react';

/** `extensions.unitOfWork` of a response. The server decides what is in it: all of it is shown. */
type Report = Record<string, unknown>;

function reportIn(response: string | null | undefined): Report | undefined {
  try {
    return JSON.parse(response ?? '').extensions?.unitOfWork;
  } catch {
    // No answer yet, or an error that is not GraphQL's.
    return undefined;
  }
}

function Panel() {
  const response = useGraphiQL((state) => state.tabs[state.activeTabIndex]?.response);
  const report = reportIn(response);
  return (
    <section className="unit-of-work">
      <h2>Unit of work</h2>
      {report ? <Facts of={report} /> : <p>Run an operation to see what its unit of work did.</p>}
    </section>
  );
}

function Facts({ of }: { of: Report }) {
  const told = Object.entries(of).filter(([, value]) => value !== null);
  return (
    <dl>
      {told.map(([name, value]) => (
        <div key={name} data-name={name} data-value={typeof value === 'object' ? undefined : String(value)}>
          <dt>{words(name)}</dt>
          <dd>
            <Value of={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Value({ of }: { of: unknown }) {
  if (Array.isArray(of)) {
    return (
      <ol>
        {of.map((item, index) => (
          <li key={index}>
            <Value of={item} />
          </li>
        ))}
      </ol>
    );
  }
  return typeof of === 'object' && of !== null ? <Facts of={of as Report} /> : <code>{String(of)}</code>;
}

/** `waitMilliseconds` as "wait milliseconds". */
function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function Icon() {
  return (
    <svg viewBox="0 0 20 20" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
      <rect x="3" y="3" width="14" height="14" rx="2" />
      <path d="M6.5 10.5l2.5 2.5 4.5-6" />
    </svg>
  );
}

/** A panel beside the editor: what the unit of work of the tab's last response did, and how it ended. */
export const UNIT_OF_WORK: GraphiQLPlugin = { title: 'Unit of work', icon: Icon, content: Panel };
