import { createRoot } from 'react-dom/client';
import { GraphiQL } from 'graphiql';
import './workers';
import './style.css';
import { examples } from './examples';
import { fetcher } from './fetcher';

const root = document.getElementById('playground');
if (!root) {
  throw new Error('index.html has no #playground');
}

createRoot(root).render(
  <GraphiQL fetcher={fetcher} defaultTabs={examples} defaultEditorToolsVisibility={false}>
    <GraphiQL.Logo>Daybook</GraphiQL.Logo>
  </GraphiQL>,
);
