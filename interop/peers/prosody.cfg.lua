-- Prosody as the chat server of xmpp.example, on loopback. Names between @ are filled in by prosody.py.
-- sip.example and its like are the components (XEP-0114) that stox speaks for. No encryption: nothing leaves this machine.

run_as_root = true
daemonize = false
pidfile = "@RUN@/prosody.pid"
data_path = "@RUN@/prosody"
interfaces = { "127.0.0.1" }
c2s_ports = { @C2S@ }
c2s_direct_tls_ports = {}
s2s_ports = {}
http_ports = {}
https_ports = {}
component_ports = { @COMPONENT@ }
component_interfaces = { "127.0.0.1" }

plugin_paths = { "@HERE@" }
modules_enabled = { "roster", "saslauth", "disco", "ping", "version", "offline", "pep", "witness" }
modules_disabled = { "tls", "s2s" }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_hashed"
limits = {}
log = { { levels = { min = "info" }, to = "console" } }

VirtualHost "xmpp.example"

@COMPONENTS@
