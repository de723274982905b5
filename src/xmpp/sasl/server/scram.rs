//! A client of SCRAM from the text of RFC 5802 section 3, with nothing of rsasl in it.

use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::super::Hash;
use super::super::base64;

/// What a client has to know.
pub(in crate::xmpp) struct Scram {
    pub(in crate::xmpp) hash: Hash,
    pub(in crate::xmpp) password: &'static str,
    /// gs2-header.
    pub(in crate::xmpp) header: String,
    /// Channel binding data; empty: none.
    pub(in crate::xmpp) binding: Vec<u8>,
    /// The name, escaped.
    pub(in crate::xmpp) name: String,
    pub(in crate::xmpp) nonce: String,
}

impl Scram {
    pub(in crate::xmpp) fn first(&self) -> String {
        format!("{}{}", self.header, self.bare())
    }

    fn bare(&self) -> String {
        format!("n={},r={}", self.name, self.nonce)
    }

    /// client-final-message, and the server-final-message that has to follow.
    pub(in crate::xmpp) fn last(&self, server_first: &str) -> (String, String) {
        let part = |name| server_first.split(',').find_map(|part| part.strip_prefix(name)).unwrap_or_default();
        let salt = base64::decode(part("s=")).ok().flatten().unwrap_or_default();
        let salted = self.salted(&salt, part("i=").parse().unwrap_or(1));
        let bound = [self.header.as_bytes(), &self.binding].concat();
        let without_proof = format!("c={},r={}", base64::encode(&bound), part("r="));
        let auth_message = format!("{},{server_first},{without_proof}", self.bare());
        let client_key = self.mac(&salted, b"Client Key");
        let signature = self.mac(&self.digest(&client_key), auth_message.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, sign)| key ^ sign).collect();
        let verifier = self.mac(&self.mac(&salted, b"Server Key"), auth_message.as_bytes());
        (format!("{without_proof},p={}", base64::encode(&proof)), format!("v={}", base64::encode(&verifier)))
    }

    fn salted(&self, salt: &[u8], iterations: u32) -> Vec<u8> {
        let mut round = self.mac(self.password.as_bytes(), &[salt, &[0, 0, 0, 1]].concat());
        let mut all = round.clone();
        for _ in 1..iterations {
            round = self.mac(self.password.as_bytes(), &round);
            all.iter_mut().zip(&round).for_each(|(all, round)| *all ^= round);
        }
        all
    }

    fn mac(&self, key: &[u8], data: &[u8]) -> Vec<u8> {
        match self.hash {
            Hash::Sha1 => {
                let mac = Hmac::<Sha1>::new_from_slice(key).expect("any length will do");
                mac.chain_update(data).finalize().into_bytes().to_vec()
            }
            Hash::Sha256 => {
                let mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
                mac.chain_update(data).finalize().into_bytes().to_vec()
            }
        }
    }

    fn digest(&self, data: &[u8]) -> Vec<u8> {
        match self.hash {
            Hash::Sha1 => Sha1::digest(data).to_vec(),
            Hash::Sha256 => Sha256::digest(data).to_vec(),
        }
    }
}

fn example(hash: Hash, nonce: &str) -> Scram {
    let (header, name) = ("n,,".to_owned(), "user".to_owned());
    Scram { hash, password: "pencil", header, binding: Vec::new(), name, nonce: nonce.to_owned() }
}

#[test]
fn the_example_of_rfc_5802_is_reproduced() {
    let client = example(Hash::Sha1, "fyko+d2lbbFgONRv9qkxdawL");
    assert_eq!(client.first(), "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
    let (last, server) = client.last("r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096");
    assert_eq!(last, "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
    assert_eq!(server, "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=");
}

#[test]
fn the_example_of_rfc_7677_is_reproduced() {
    let client = example(Hash::Sha256, "rOprNGfwEbeRWgbNEkqO");
    let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let (last, server) = client.last(&format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"));
    assert_eq!(last, format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="));
    assert_eq!(server, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

#[test]
fn the_example_of_rfc_6120_is_reproduced() {
    let mut client = example(Hash::Sha1, "oMsTAAwAAAAMAAAANP0TAAAAAABPU0AA");
    (client.name, client.password) = ("juliet".to_owned(), "r0m30myr0m30");
    assert_eq!(
        base64::encode(client.first().as_bytes()),
        "biwsbj1qdWxpZXQscj1vTXNUQUF3QUFBQU1BQUFBTlAwVEFBQUFBQUJQVTBBQQ=="
    );
    let nonce = "oMsTAAwAAAAMAAAANP0TAAAAAABPU0AAe124695b-69a9-4de6-9c30-b51b3808c59e";
    let (last, server) = client.last(&format!("r={nonce},s=NjhkYTM0MDgtNGY0Zi00NjdmLTkxMmUtNDlmNTNmNDNkMDMz,i=4096"));
    assert_eq!(last, format!("c=biws,r={nonce},p=UA57tM/SvpATBkH2FXs0WDXvJYw="));
    assert_eq!(server, "v=pNNDFVEQxuXxCoSEiW8GEZ+1RSo=");
}
