//! OR11's `orders[].customer` (Mirakl seller API, OR11).

use serde::Serialize;

use super::super::model::{Address, Customer, Order, Organization, Settings};
use super::Sparse;

#[derive(Serialize)]
pub(super) struct CustomerOut<'o> {
    #[serde(skip_serializing_if = "Option::is_none")]
    billing_address: Sparse<AddressOut<'o>>,
    civility: Option<&'static str>,
    customer_id: &'o str,
    firstname: &'o str,
    lastname: &'o str,
    locale: Option<&'static str>,
    organization: Option<OrganizationOut<'o>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shipping_address: Sparse<AddressOut<'o>>,
}

#[derive(Serialize)]
struct OrganizationOut<'o> {
    address: Option<()>,
    identification_number: Option<&'o str>,
    name: &'o str,
    organization_id: &'o str,
    tax_identification_number: Option<&'o str>,
}

#[derive(Serialize)]
struct AddressOut<'o> {
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_info: Sparse<&'o str>,
    city: &'o str,
    civility: Option<&'o str>,
    company: Option<&'o str>,
    company_2: Option<&'o str>,
    country: &'o str,
    #[serde(skip_serializing_if = "Option::is_none")]
    country_iso_code: Option<&'o str>,
    firstname: &'o str,
    lastname: &'o str,
    phone: Option<&'o str>,
    phone_secondary: Option<&'o str>,
    state: Option<&'o str>,
    street_1: &'o str,
    street_2: Option<&'o str>,
    zip_code: &'o str,
}

/// Who bought, as OR11 shows it.
pub(super) fn customer<'o>(order: &'o Order, settings: &Settings) -> CustomerOut<'o> {
    let Customer {
        customer_id,
        civility,
        firstname,
        lastname,
        locale,
        organization,
        billing_address,
        shipping_address,
    } = &order.customer;
    let shown = settings.addresses_before_payment || order.state.is_paid();
    let old = settings.old_shapes;
    // Null until the order is paid; an old platform leaves them out.
    let sparse =
        |written: AddressOut<'o>| if shown { Some(Some(written)) } else { (!old).then_some(None) };
    CustomerOut {
        billing_address: sparse(address(billing_address, false, old)),
        civility: *civility,
        customer_id,
        firstname,
        lastname,
        locale: *locale,
        organization: organization.as_ref().map(business),
        shipping_address: sparse(address(shipping_address, true, old)),
    }
}

fn business(organization: &Organization) -> OrganizationOut<'_> {
    OrganizationOut {
        address: None,
        identification_number: organization.identification_number.as_deref(),
        name: &organization.name,
        organization_id: &organization.organization_id,
        tax_identification_number: organization.tax_identification_number.as_deref(),
    }
}

fn address(address: &Address, shipping: bool, old: bool) -> AddressOut<'_> {
    AddressOut {
        additional_info: shipping.then_some(address.additional_info.as_deref()),
        city: &address.city,
        civility: address.civility,
        company: address.company.as_deref(),
        company_2: address.company_2.as_deref(),
        country: address.country,
        country_iso_code: (!old).then_some(address.country_iso_code),
        firstname: &address.firstname,
        lastname: &address.lastname,
        phone: address.phone.as_deref(),
        phone_secondary: address.phone_secondary.as_deref(),
        state: address.state,
        street_1: &address.street_1,
        street_2: address.street_2.as_deref(),
        zip_code: &address.zip_code,
    }
}
