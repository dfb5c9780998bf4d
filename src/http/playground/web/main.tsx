import { createRoot } from 'react-dom/client';
import { HISTORY_PLUGIN } from '@graphiql/plugin-history';
import { GraphiQL } from 'graphiql';
import './workers';
import './style.css';
import { examples, headers } from './examples';
import { fetcher } from './fetcher';
import { UNIT_OF_WORK } from './unit-of-work';
import { WrappedLines } from './wrapped-lines';

const root = document.getElementById('playground');
if (!root) {
  throw new Error('index.html has no #playground');
}

// Constant, because a new array is a new set of plugins.
const plugins = [HISTORY_PLUGIN, UNIT_OF_WORK];

createRoot(root).render(
  <GraphiQL
    fetcher={fetcher}
    plugins={plugins}
    visiblePlugin={UNIT_OF_WORK}
    defaultTabs={examples}
    defaultHeaders={headers}
    defaultEditorToolsVisibility={false}
  >
    <GraphiQL.Logo>Daybook</GraphiQL.Logo>
    <WrappedLines />
  </GraphiQL>,
);
