"use strict";
// Asks the device for a passkey or a signature, and sends the answer with the form that it is for.
(() => {
  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replace(/\+/g, "-")
      .replace(/\//g, "_")
      .replace(/=+$/, "");
  const named = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

  const create = async (asked) => {
    const made = await navigator.credentials.create({
      publicKey: {
        ...asked,
        challenge: bytes(asked.challenge),
        user: { ...asked.user, id: bytes(asked.user.id) },
        excludeCredentials: named(asked.excludeCredentials),
      },
    });
    return {
      id: made.id,
      rawId: text(made.rawId),
      type: made.type,
      response: {
        clientDataJSON: text(made.response.clientDataJSON),
        attestationObject: text(made.response.attestationObject),
      },
    };
  };

  const get = async (asked) => {
    const signed = await navigator.credentials.get({
      publicKey: {
        ...asked,
        challenge: bytes(asked.challenge),
        allowCredentials: named(asked.allowCredentials),
      },
    });
    return {
      id: signed.id,
      rawId: text(signed.rawId),
      type: signed.type,
      response: {
        clientDataJSON: text(signed.response.clientDataJSON),
        authenticatorData: text(signed.response.authenticatorData),
        signature: text(signed.response.signature),
        userHandle: signed.response.userHandle ? text(signed.response.userHandle) : null,
      },
    };
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const button = form.querySelector("button[type=submit]");
    const problem = form.querySelector("[role=alert]");
    const tell = (words) => {
      problem.textContent = words;
      problem.hidden = false;
      button.disabled = false;
      button.focus();
    };
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!window.PublicKeyCredential) {
        tell(problem.dataset.missing);
        return;
      }
      button.disabled = true;
      problem.hidden = true;
      try {
        const asked = JSON.parse(form.dataset.options);
        const answer = await (form.dataset.passkey === "create" ? create : get)(asked);
        form.elements.namedItem("response").value = JSON.stringify(answer);
        form.submit();
      } catch (error) {
        tell(error.name === "InvalidStateError" ? problem.dataset.known : problem.dataset.cancelled);
      }
    });
  }
})();
