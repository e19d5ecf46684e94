// Signs in and shows the token; an application would give both to an SDK: room.connect(url, token).
const form = document.querySelector("form");
const status = document.querySelector("[role=status]");
const token = document.querySelector("textarea");

async function post(path, body) {
  const response = await fetch(path, { method: "POST", body: JSON.stringify(body) });
  if (!response.ok) throw new Error(await response.text());
  return response;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { name, password, room } = Object.fromEntries(new FormData(form));
  try {
    await post("/sign-in", { name, password });
    token.value = (await (await post("/token", { room })).json()).token;
    status.textContent = `Connect to ${location.origin.replace("http", "ws")} with this token.`;
  } catch (error) {
    status.textContent = error.message;
  }
});
