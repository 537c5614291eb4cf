// The two passkey ceremonies; the server makes and checks everything, this only carries it to the authenticator.
const form = document.querySelector("form[data-passkey]");
const says = document.getElementById("passkey-says");

async function post(path, value) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", "x-form-token": form.elements._csrf?.value ?? "" },
    body: JSON.stringify(value),
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.detail);
  return told;
}

async function create(options) {
  return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) });
}

async function get(options) {
  return navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
}

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  says.textContent = "";
  try {
    const path = form.getAttribute("action");
    const begun = await post(`${path}/options`, {});
    const credential = await (form.dataset.passkey === "create" ? create : get)(begun.options);
    const next = new URLSearchParams(location.search).get("next") ?? "";
    const done = await post(path, { ceremony: begun.ceremony, credential: credential.toJSON(), next });
    location.assign(done.location);
  } catch (error) {
    says.textContent = error.name === "NotAllowedError" ? form.dataset.cancelled : error.message;
    button.disabled = false;
  }
});
if (form && !window.PublicKeyCredential?.parseCreationOptionsFromJSON) {
  form.querySelector("button").disabled = true;
  says.textContent = form.dataset.unable;
}
