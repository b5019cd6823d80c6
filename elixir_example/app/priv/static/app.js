// The packages' scripts have defined Phoenix and LiveView by now: see endpoint.ex.
const csrfToken = document.querySelector("meta[name='csrf-token']").content;

const liveSocket = new LiveView.LiveSocket("/live", Phoenix.Socket, {
  params: { _csrf_token: csrfToken },
  hooks: {},
});

liveSocket.connect();
