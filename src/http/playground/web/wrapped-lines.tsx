import { useEffect } from 'react';
import { useGraphiQL } from '@graphiql/react';

/**
 * Wraps the lines of the editors that are written in, as GraphiQL does those of the response: half a window is too narrow for many a
 * line, whose end would be hidden behind the toolbar.
 */
export function WrappedLines() {
  const query = useGraphiQL((state) => state.queryEditor);
  const variables = useGraphiQL((state) => state.variableEditor);
  const headers = useGraphiQL((state) => state.headerEditor);
  useEffect(() => {
    for (const editor of [query, variables, headers]) {
      editor?.updateOptions({ wordWrap: 'on', wrappingIndent: 'indent' });
    }
  }, [query, variables, headers]);
  return null;
}
