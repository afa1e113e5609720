// The audits of graphql-http, as JSON.

import { serverAudits } from "graphql-http";
import { headers, url } from "./api.mjs";

const fetchFn = (target, options = {}) => fetch(target, { ...options, headers: { ...options.headers, ...headers } });

const results = [];
for (const audit of serverAudits({ url, fetchFn })) {
  const { status, reason } = await audit.fn();
  results.push({ id: audit.id, name: audit.name, status, reason });
}
console.log(JSON.stringify(results));
