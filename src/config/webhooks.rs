//! Settings of webhooks.

use std::time::Duration;

use super::{args::WebhookArgs, value, wrong::Reader};
use crate::webhook::{Addresses, WebhookOptions};

/// The longest time that an endpoint may take. For about as long, another server waits before it takes over from one that has died.
const LONGEST: Duration = Duration::from_secs(60);

/// Reads how events are sent to webhooks. All are read before an error is reported.
pub(super) fn webhooks(args: &WebhookArgs, values: &mut Reader<'_>) -> Option<WebhookOptions> {
    let timeout =
        values.read(
            "webhook_timeout",
            &args.webhook_timeout,
            |text| match value::some_time(text) {
                Ok(time) if time <= LONGEST => Ok(time),
                _ => Err("a time of at most a minute, such as 10s or 500ms".to_owned()),
            },
        );
    let attempts = values.read(
        "webhook_attempts",
        &args.webhook_attempts,
        value::at_least_one,
    );
    let first_wait =
        values.read(
            "webhook_first_wait",
            &args.webhook_first_wait,
            |text| match value::some_time(text) {
                Ok(time) if time <= WebhookOptions::LONGEST_WAIT => Ok(time),
                _ => Err("a time of at most an hour, such as 5s or 1m".to_owned()),
            },
        );
    let deliveries = values.read(
        "max_webhook_deliveries",
        &args.max_webhook_deliveries,
        value::at_least_one,
    );
    Some(WebhookOptions {
        addresses: Addresses::new(args.webhook_allow_private, args.webhook_allow_http),
        timeout: timeout?,
        attempts: attempts?.into(),
        first_wait: first_wait?,
        deliveries: usize::try_from(deliveries?).ok()?,
    })
}
