// The server under test, and what was said to it.

export const url = process.env.CALLSCOPE_URL;
export const headers = { authorization: `Bearer ${process.env.CALLSCOPE_KEY}` };

/** A fetch that remembers each request with the status and the media type of its answer. */
export function recorder() {
  const requests = [];
  const recordingFetch = async (target, options = {}) => {
    const answer = await fetch(target, options);
    const { searchParams } = new URL(target);
    requests.push({
      method: options.method ?? "GET",
      accept: new Headers(options.headers).get("accept"),
      query: options.body ? JSON.parse(options.body).query : searchParams.get("query"),
      status: answer.status,
      mediaType: answer.headers.get("content-type").split(";")[0],
    });
    return answer;
  };
  return { requests, fetch: recordingFetch };
}

/** Each request as its method, with what was sent: the document, or only its hash. */
export const sent = (requests) => requests.map(({ method, query }) => `${method} ${query ? "document" : "hash"}`);
