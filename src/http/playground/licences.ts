import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Plugin } from 'vite';

/** What the packages' own files leave unsaid. */
const NOTES = `Icons: the codicon font, which monaco-editor brings, is (c) Microsoft Corporation, under the Creative Commons
Attribution 4.0 International licence (https://creativecommons.org/licenses/by/4.0/legalcode), unchanged, from
https://github.com/microsoft/vscode-codicons.`;

const LICENCE_FILE = /^(licen[cs]e|copying|notice|thirdpartynotices)/i;

/** The packages that a build takes something from, workers included, and what their licences ask to be shipped. */
export class Licences {
  readonly #packages = new Set<string>();

  /** Notes the packages of one bundle. */
  collect(): Plugin {
    return {
      name: 'daybook-licences-collect',
      moduleParsed: ({ id }) => {
        const root = packageOf(id);
        if (root) {
          this.#packages.add(root);
        }
      },
    };
  }

  /** Writes the licences of all that was noted, for the repository and for the server. */
  write(fileName: string): Plugin {
    // One package may be installed twice.
    const texts = () => [...new Set([...this.#packages].map(licenceOf))].sort();
    return {
      name: 'daybook-licences-write',
      apply: 'build',
      generateBundle() {
        const source = `${[NOTES, ...texts()].join('\n\n')}\n`;
        writeFileSync('THIRD_PARTY_LICENSES', source);
        this.emitFile({ type: 'asset', fileName, source });
      },
    };
  }
}

function packageOf(id: string): string | undefined {
  if (!id.includes('/node_modules/')) {
    return undefined;
  }
  let directory = dirname(id.replace(/^\0/, '').replace(/\?.*$/, ''));
  for (;;) {
    const manifest = join(directory, 'package.json');
    // A package may hold further package.json files, which say only how its modules are to be read.
    if (existsSync(manifest) && manifestOf(directory).version) {
      return directory;
    }
    directory = dirname(directory);
  }
}

function licenceOf(directory: string): string {
  const { name, version, license, author, homepage } = manifestOf(directory);
  const files = readdirSync(directory).filter((file) => LICENCE_FILE.test(file));
  const texts = files.map((file) => readFileSync(join(directory, file), 'utf8').replaceAll('\r\n', '\n').trim());
  if (texts.length === 0 && license !== 'MIT') {
    throw new Error(`${name} is under ${license} and ships no licence text: add it here`);
  }
  if (texts.length === 0) {
    texts.push(mit(author?.name ?? author ?? `the authors of ${name}${homepage ? `, ${homepage}` : ''}`));
  }
  return [`${'='.repeat(80)}\n${name} ${version} (${license})\n${'='.repeat(80)}`, ...texts].join('\n\n');
}

function manifestOf(directory: string) {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
}

/** For a package that says it is under the MIT licence, and leaves the text of it out. */
function mit(holder: string): string {
  return `MIT License

Copyright (c) ${holder}

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.`;
}
