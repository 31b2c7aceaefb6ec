// The console's routes, as its source says them: so that no page and no form can be left out of a test.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './stage.ts';

export interface Route { path: string; methods: Set<string> }

/** All of them. */
export function consoleRoutes(): Route[] {
  const folder = join(root, 'crates/server/src/console');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.rs'));
  const text = files.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n');
  const constants = new Map([...text.matchAll(/const (\w+): &str = "([^"]*)";/g)].map(([, name, value]) => [name, value]));
  const found = [...text.matchAll(/\.route\(\s*(?:"([^"]+)"|(\w+)),\s*((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)/g)];
  const routes = found.map(([, path, constant, methods]) => ({
    path: path ?? constants.get(constant) ?? assert.fail(`no address of the route ${constant} is known`),
    methods: new Set([...methods.matchAll(/\b(get|post)\(/g)].map(([, method]) => method)),
  }));
  const counted = [...text.matchAll(/\.route\(/g)].length;
  assert.ok(routes.length === counted && counted > 30, `${counted} routes are there, ${routes.length} of them can be read`);
  // What is shown and what is taken there may stand on lines of their own.
  const byPath = Map.groupBy(routes.filter((route) => route.path.startsWith('/console')), (route) => route.path);
  return [...byPath].map(([path, same]) => ({ path, methods: new Set(same.flatMap((route) => [...route.methods])) }));
}

/** The route of an address: of those that fit, the one with the fewest names in it. */
export function routeOf(routes: Route[], pathname: string): Route | undefined {
  const names = (route: Route): number => route.path.split('{').length;
  const fits = (route: Route): boolean => new RegExp(`^${route.path.replace(/\{\w+\}/g, '[^/]+')}$`).test(pathname);
  return routes.filter(fits).sort((one, other) => names(one) - names(other))[0];
}
