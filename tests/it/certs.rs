//! Certificates for the tests, signed by authorities of their own.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair, SanType,
    date_time_ymd,
};

/// Whoever signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, PEM.
pub(crate) struct Signed {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "an authority");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// For these names: `sip:` URIs, addresses, else DNS names. Valid today.
    pub(crate) fn sign(&self, names: &[&str]) -> Signed {
        self.sign_until(names, 4_000)
    }

    /// Valid until the first day of this year.
    pub(crate) fn sign_until(&self, names: &[&str], year: i32) -> Signed {
        self.sign_with(names, |params| params.not_after = date_time_ymd(year, 1, 1))
    }

    /// Valid for so many days from now.
    pub(crate) fn sign_for_days(&self, names: &[&str], days: u64) -> Signed {
        self.sign_for_seconds(names, days * 86_400)
    }

    pub(crate) fn sign_for_seconds(&self, names: &[&str], seconds: u64) -> Signed {
        let end = std::time::SystemTime::now() + std::time::Duration::from_secs(seconds);
        self.sign_with(names, |params| params.not_after = end.into())
    }

    fn sign_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Signed {
        let mut params = CertificateParams::default();
        change(&mut params);
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = names.iter().map(|name| subject(name)).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Signed { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

fn subject(name: &str) -> SanType {
    match name.parse() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) if name.contains(':') => SanType::URI(name.try_into().unwrap()),
        Err(_) => SanType::DnsName(name.try_into().unwrap()),
    }
}
