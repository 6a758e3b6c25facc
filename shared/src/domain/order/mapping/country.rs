//! Countries: from Mirakl's alpha-3 code, or its label, to what Prima takes.

use super::problems::Problems;
use crate::domain::order::rules::{CountryForm, CountryRules};
use crate::mirakl::order::Address;

/// ISO 3166-1: each alpha-3 code followed by its alpha-2 code.
const ISO: &str = "\
    ABWAW AFGAF AGOAO AIAAI ALAAX ALBAL ANDAD AREAE ARGAR ARMAM ASMAS ATAAQ ATFTF ATGAG AUSAU AUTAT AZEAZ BDIBI BELBE BENBJ \
    BESBQ BFABF BGDBD BGRBG BHRBH BHSBS BIHBA BLMBL BLRBY BLZBZ BMUBM BOLBO BRABR BRBBB BRNBN BTNBT BVTBV BWABW CAFCF CANCA \
    CCKCC CHECH CHLCL CHNCN CIVCI CMRCM CODCD COGCG COKCK COLCO COMKM CPVCV CRICR CUBCU CUWCW CXRCX CYMKY CYPCY CZECZ DEUDE \
    DJIDJ DMADM DNKDK DOMDO DZADZ ECUEC EGYEG ERIER ESHEH ESPES ESTEE ETHET FINFI FJIFJ FLKFK FRAFR FROFO FSMFM GABGA GBRGB \
    GEOGE GGYGG GHAGH GIBGI GINGN GLPGP GMBGM GNBGW GNQGQ GRCGR GRDGD GRLGL GTMGT GUFGF GUMGU GUYGY HKGHK HMDHM HNDHN HRVHR \
    HTIHT HUNHU IDNID IMNIM INDIN IOTIO IRLIE IRNIR IRQIQ ISLIS ISRIL ITAIT JAMJM JEYJE JORJO JPNJP KAZKZ KENKE KGZKG KHMKH \
    KIRKI KNAKN KORKR KWTKW LAOLA LBNLB LBRLR LBYLY LCALC LIELI LKALK LSOLS LTULT LUXLU LVALV MACMO MAFMF MARMA MCOMC MDAMD \
    MDGMG MDVMV MEXMX MHLMH MKDMK MLIML MLTMT MMRMM MNEME MNGMN MNPMP MOZMZ MRTMR MSRMS MTQMQ MUSMU MWIMW MYSMY MYTYT NAMNA \
    NCLNC NERNE NFKNF NGANG NICNI NIUNU NLDNL NORNO NPLNP NRUNR NZLNZ OMNOM PAKPK PANPA PCNPN PERPE PHLPH PLWPW PNGPG POLPL \
    PRIPR PRKKP PRTPT PRYPY PSEPS PYFPF QATQA REURE ROURO RUSRU RWARW SAUSA SDNSD SENSN SGPSG SGSGS SHNSH SJMSJ SLBSB SLESL \
    SLVSV SMRSM SOMSO SPMPM SRBRS SSDSS STPST SURSR SVKSK SVNSI SWESE SWZSZ SXMSX SYCSC SYRSY TCATC TCDTD TGOTG THATH TJKTJ \
    TKLTK TKMTM TLSTL TONTO TTOTT TUNTN TURTR TUVTV TWNTW TZATZ UGAUG UKRUA UMIUM URYUY USAUS UZBUZ VATVA VCTVC VENVE VGBVG \
    VIRVI VNMVN VUTVU WLFWF WSMWS YEMYE ZAFZA ZMBZM ZWEZW";

/// `code` is an alpha-3 code of ISO 3166-1.
pub(in crate::domain::order) fn is_alpha3(code: &str) -> bool {
    alpha2_of(code).is_some()
}

/// `code` is an alpha-3 or alpha-2 code of ISO 3166-1.
pub(in crate::domain::order) fn is_iso(code: &str) -> bool {
    is_alpha3(code) || alpha3_of(code).is_some()
}

/// `code` is one of the alpha-3 codes that ISO 3166-1 will never give to a country, such as
/// Kosovo's `XKX`.
pub(in crate::domain::order) fn is_left_to_users(code: &str) -> bool {
    let is_alpha3 = code.len() == 3 && code.bytes().all(|letter| letter.is_ascii_uppercase());
    is_alpha3
        && (code.starts_with('X')
            || ("AAA"..="AAZ").contains(&code)
            || ("QMA"..="QZZ").contains(&code)
            || ("ZZA"..="ZZZ").contains(&code))
}

fn alpha2_of(alpha3: &str) -> Option<&'static str> {
    ISO.split_ascii_whitespace()
        .find_map(|entry| entry.strip_prefix(alpha3).filter(|rest| rest.len() == 2))
}

/// The alpha-3 code of an alpha-2 code, which old platforms send.
fn alpha3_of(alpha2: &str) -> Option<&'static str> {
    ISO.split_ascii_whitespace()
        .find_map(|entry| entry.strip_suffix(alpha2).filter(|rest| rest.len() == 3))
}

/// The alpha-3 code of an address: by its code, or by its label where it has none.
pub(super) fn alpha3(address: &Address, rules: &CountryRules) -> Option<String> {
    let code = address.country_iso_code.as_deref().unwrap_or_default().trim().to_uppercase();
    if !code.is_empty() {
        return if is_alpha3(&code) || rules.codes.contains_key(&code) {
            Some(code)
        } else {
            alpha3_of(&code).map(str::to_owned).or_else(|| alias(&code, rules).cloned())
        };
    }
    let label = address.country.as_deref()?.trim().to_lowercase();
    rules
        .labels
        .iter()
        .find(|(known, _)| known.to_lowercase() == label)
        .map(|(_, code)| code.clone())
}

/// The alpha-3 code that was agreed for a code that ISO 3166-1 does not list.
fn alias<'r>(code: &str, rules: &'r CountryRules) -> Option<&'r String> {
    rules
        .aliases
        .iter()
        .find(|(known, _)| known.trim().to_uppercase() == code)
        .map(|(_, code)| code)
}

/// What Prima takes for the country of an address, whose is "shipping address".
pub(super) fn for_prima(
    problems: &mut Problems,
    whose: &str,
    address: &Address,
    rules: &CountryRules,
) -> String {
    let Some(code) = alpha3(address, rules) else {
        let (reason, setting) = match address.country_iso_code.as_deref().map(str::trim) {
            Some(code) if !code.is_empty() => (
                "a country code (country_iso_code) that ISO 3166-1 does not list",
                "add the code that Mirakl shows to address.country.aliases in the order rules, or have the marketplace correct it",
            ),
            _ => (
                "no country code, and its country's name is not in the table",
                "add the name that Mirakl shows to address.country.labels",
            ),
        };
        problems.add(
            format!("the {whose} has {reason}"),
            format!("Look at the order in Mirakl, {setting}, and retry the order."),
        );
        return String::new();
    };
    let raw = address.country_iso_code.as_deref().unwrap_or_default().trim().to_uppercase();
    if !is_iso(&raw) && alias(&raw, rules).is_some() {
        problems
            .trace(format!("the country code of the {whose} is read by address.country.aliases"));
    }
    if let Some(own) = rules.codes.get(&code) {
        return own.clone();
    }
    match rules.form {
        CountryForm::Iso2 => alpha2_of(&code).unwrap_or_default().to_owned(),
        CountryForm::Iso3 => code,
        CountryForm::Table => {
            problems.add(
                format!(
                    "the {whose} is in {code}, for which the order rules have no code of Prima"
                ),
                format!("Add {code} to address.country.codes and retry the order."),
            );
            String::new()
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn country(code: Option<&str>, label: &str, rules: &CountryRules) -> Result<String, String> {
        let address = Address {
            country_iso_code: code.map(str::to_owned),
            country: Some(label.to_owned()),
            ..Address::default()
        };
        let mut problems = Problems::default();
        let country = for_prima(&mut problems, "shipping address", &address, rules);
        problems.into_result().map(|()| country).map_err(|failure| failure.reason)
    }

    #[test]
    fn the_table_of_iso_3166_is_whole() {
        let entries: Vec<_> = ISO.split_ascii_whitespace().collect();
        assert_eq!(entries.len(), 249);
        assert!(
            entries
                .iter()
                .all(|entry| entry.len() == 5 && alpha3_of(&entry[3..]) == Some(&entry[..3]))
        );
    }

    #[test]
    fn a_country_is_written_as_prima_takes_it() {
        let mut rules = CountryRules::default();
        assert_eq!(country(Some("GBR"), "", &rules).unwrap(), "GB");
        assert_eq!(country(Some("se"), "", &rules).unwrap(), "SE");
        rules.form = CountryForm::Iso3;
        assert_eq!(country(Some("GB"), "", &rules).unwrap(), "GBR");
        rules.form = CountryForm::Table;
        rules.codes.insert("GBR".into(), "UK".into());
        assert_eq!(country(Some("GBR"), "", &rules).unwrap(), "UK");
        assert!(country(Some("FRA"), "", &rules).unwrap_err().contains("FRA"));
    }

    /// Without a country code the label decides, and a strange label is a problem that does not
    /// show it.
    #[test]
    fn a_missing_country_code_is_read_from_the_label() {
        let rules = CountryRules::default();
        assert_eq!(country(None, "FRANCE (Métropolitaine)", &rules).unwrap(), "FR");
        assert_eq!(country(Some(""), "united kingdom", &rules).unwrap(), "GB");
        assert!(!country(None, "Ruritania", &rules).unwrap_err().contains("Ruritania"));
        assert!(!country(Some("QQQ"), "France", &rules).unwrap_err().contains("QQQ"));
        assert!(
            country(Some("QQQ"), "France", &rules)
                .unwrap_err()
                .contains("a country code (country_iso_code) that ISO 3166-1 does not list")
        );
        for none in [None, Some(""), Some(" ")] {
            assert!(
                country(none, "Ruritania", &rules).unwrap_err().contains("no country code"),
                "{none:?}"
            );
        }
    }
}
