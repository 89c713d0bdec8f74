//! The ini file of another product.

use sip_survivability::config::Settings;

/// An ini file: what is read of it can be judged, and what is listed of it is a line of its own in a comment.
pub fn ini(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let lines = 1..=text.lines().count().max(1);
    match Settings::from_audiocodes_ini(text) {
        Ok(imported) => {
            for unmapped in &imported.unmapped {
                assert!(lines.contains(&unmapped.line), "{unmapped:?}");
                assert!(!unmapped.to_string().contains(['\n', '\r']), "{unmapped:?}");
            }
            // More rows than values in a file there cannot be.
            let (settings, most) = (imported.settings, text.len());
            assert!(settings.routes.len() + settings.proxy_set.targets.len() <= most);
            let _ = settings.validate();
        }
        Err(error) => assert!(lines.contains(&error.line), "{error}"),
    }
}
