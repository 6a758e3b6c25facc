//! The account and the platform's configuration (Mirakl seller API, A01 and PC01).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::model::{Settings, ShopProfile};
use super::order::tax_mode;
use super::{instant, moment};

/// A01.
pub(in crate::mirakl) fn account(shop: &ShopProfile, now: Timestamp) -> Value {
    json!({
        "shop_id": shop.shop_id, "shop_name": format!("Shop {}", shop.shop_id), "shop_state": "OPEN", "currency_iso_code": shop.currency,
        "billing_info": {}, "channels": [], "date_created": instant(now), "last_updated_date": moment(now), "domains": ["PRODUCT"],
        "contact_informations": {"city": "Leeds", "country": "GBR", "email": "shop@fashion.example", "lastname": "Shop", "street1": "1 Mill Lane"},
        "default_billing_information": {"default_language": "en_GB", "id": "1", "registration_address": {"city": "Leeds", "country_iso_code": "GBR", "street_1": "1 Mill Lane"}},
        "evaluations_count": 0, "free_shipping": false, "is_professional": true, "offers_count": 0, "orders_count": 0, "premium": false,
        "payment_details": {"paid_balance": 0, "payable_balance": 0, "pending_balance": 0}, "payment_method_mandatory": false,
        "pro_details": {}, "shipping": {}, "shipping_types": ["STD", "EXP"], "shipping_zones": ["Z1"], "shop_additional_fields": [],
    })
}

/// PC01.
pub(in crate::mirakl) fn platform(settings: &Settings, shop: &ShopProfile) -> Value {
    json!({
        "platform_name": "Simulated marketplace", "tenant_name": "simulated", "timezone": "Europe/London",
        "features": {
            "catalog": {"allow_shop_contribution_to_all_channels": false, "exclude_invalid_products": false, "list_of_multiple_values_separator": "|",
                "product_acceptance_by_channel": false, "product_data_validation_by_channel": false, "product_import_only_on_leaf": true},
            "circular_economy_data_collection": false, "competitive_pricing_tool": false,
            "direct_payment_customer_store": {"activated": false, "refund_cancel_authorized": false},
            "disable_seller_alternative_carrier": settings.registered_carriers_only, "dropship": {}, "kyc_status_per_seller": false,
            "lead_time_to_ship_by_sellers_enabled": "DISABLED", "multi_currency": false, "multi_payout_psp_per_seller": false, "no_reply_needed": false,
            "offer_prices_decimals": "2", "operator_csv_delimiter": "SEMICOLON",
            "order_conditions": {"lead_time_to_ship": true, "maximum_order_quantity": false, "minimum_order_quantity": false, "package_order_quantity": false},
            "order_tax_mode": tax_mode(shop.tax_included),
            "order_workflows": {"no_customer_payment_confirmation": false, "order_acceptance": if shop.automatic_acceptance.unwrap_or(settings.automatic_acceptance) { "AUTOMATIC" } else { "NOT_AUTOMATIC" },
                "pause_debit_workflow": false, "pay_on_due_date": false, "pay_on_shipment": false, "sellers_edit_shipping_origin": false,
                "shipping_and_billing_details_before_acceptance": settings.addresses_before_payment},
            "payment_confirmation": true,
            "pricing": {"channel_pricing": "DISABLED", "discount_period_required": false, "discount_price_creation_in_the_past_blocked": false,
                "scheduled_pricing": false, "volume_discount": false, "volume_pricing": false},
            "product_data_validation_by_channel": false,
            "promotion": {"cart_promotion_campaign": false, "discount_campaign": false, "seller_promotion": false}, "returns": {},
            "shipment": {"multi_part_item_shipment": false, "multi_shipment": shop.multi_shipment}, "shop_tax_options": {
                "tax_identification_number": {"mandatory": false}},
            "tax_collection": {"activated": "DISABLED", "product_tax_code_mandatory": false, "tax_collection_by_operator": false},
            "tax_id_number": {"mandatory": false}, "warehouses": {"geolocation": false, "restricted_countries": []},
        },
        "modules": {"mirakl_catalog_integrator": false, "mirakl_catalog_manager": true, "mirakl_catalog_transformer": false,
            "mirakl_platform_services": false, "offer_management": true, "order_management": true, "promotions": false, "quotes": false,
            "tax_manager": {"activated": false, "tax_provider": {"avalara": false, "vertex": false}}},
        "platform_configuration": {"customer_model": {"b2b": true, "b2c": true}, "enhanced_seller_invoicing": {"enabled": false},
            "platform_model": {"drop_ship": false, "marketplace": true, "one_creditor": false}},
    })
}
