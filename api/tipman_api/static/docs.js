// The page of the documentation: opens a session with the token of the address, then shows the API.

const entrance = document.getElementById("entrance");

async function openSession(token) {
  const headers = { Authorization: `Bearer ${token}`, "X-Tipman": "1" };
  return (await fetch("/api/v1/session", { method: "POST", headers })).ok;
}

async function show() {
  const answer = await fetch("/openapi.json");
  if (answer.status === 401) {
    entrance.hidden = false;
    return;
  }
  entrance.hidden = true;
  window.SwaggerUIBundle({
    spec: await answer.json(),
    domNode: document.getElementById("page"),
    deepLinking: true,
    validatorUrl: null,
    requestInterceptor(request) {
      request.headers["X-Tipman"] = "1";
      return request;
    },
  });
}

entrance.addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = document.getElementById("token");
  const isOpen = await openSession(field.value.trim());
  document.getElementById("refusal").textContent = isOpen ? "" : "The server does not know this token.";
  field.value = "";
  if (isOpen) await show();
});

const given = /^#token=([\w.~-]+)$/.exec(location.hash);
if (given) {
  // Out of the address before anything else, so that it stays in no history.
  history.replaceState(null, "", location.pathname);
  await openSession(given[1]);
}
await show();
