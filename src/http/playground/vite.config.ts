import { brotliCompressSync, constants } from 'node:zlib';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig, type Plugin } from 'vite';
import { Licences } from './licences.ts';

const licences = new Licences();

/** Leaves only `*.br` in `dist`: it is what the server embeds. */
function brotliOnly(): Plugin {
  return {
    name: 'daybook-brotli-only',
    apply: 'build',
    closeBundle() {
      for (const entry of readdirSync('dist', { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || entry.name.endsWith('.br')) {
          continue;
        }
        const path = join(entry.parentPath, entry.name);
        const body = readFileSync(path);
        const params = {
          [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
          [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
          [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
        };
        writeFileSync(`${path}.br`, brotliCompressSync(body, { params }));
        rmSync(path);
      }
    },
  };
}

export default defineConfig({
  plugins: [licences.collect(), licences.write('THIRD_PARTY_LICENSES.txt'), brotliOnly()],
  worker: { format: 'es', plugins: () => [licences.collect()] },
  build: {
    target: 'es2023',
    // A `data:` URL is one more thing that the Content-Security-Policy would have to allow.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 4096,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      onwarn(warning, warn) {
        // "use client", of libraries that are also rendered on servers.
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') {
          warn(warning);
        }
      },
    },
  },
});
