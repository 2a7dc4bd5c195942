//! The traffic to global memory is what the formula needs, to 1 %, and moves in whole sectors.

use half::{bf16, f16};
use warpsmith::EmulatedDevice;
use warpsmith::emulator::{Counters, DeviceModel};
use warpsmith::ops::gelu::Form;

use crate::problem::{Problem, Real};

/// Asserts that a launch moved `loads` and `stores` bytes, or up to 1 % more of both together, in sectors that were used in full.
fn assert_traffic(name: &str, counters: &Counters, loads: usize, stores: usize) {
    let floor = (loads + stores) as f64;
    let bytes = (counters.global_load_bytes + counters.global_store_bytes) as f64;
    let sectors = 32.0 * (counters.global_load_sectors + counters.global_store_sectors) as f64;
    let over = |bytes: f64| 100.0 * (bytes / floor - 1.0);
    println!("{name}: floor {floor} B, bytes {:+.2} %, sectors {:+.2} %", over(bytes), over(sectors));
    assert!(bytes >= floor, "{name}: {bytes} bytes are fewer than the {floor} that the formula needs");
    assert!(over(bytes) <= 1.0, "{name}: {bytes} bytes for {floor}");
    assert!(over(sectors) <= 1.0, "{name}: {sectors} bytes of sectors for {floor}");
}

fn traffic_of<T: Real>() {
    for form in Form::ALL {
        let device = EmulatedDevice::new(DeviceModel::Sm90);
        let name = |what: &str| format!("{what}, {form:?}, {}", T::DTYPE);

        let plain = Problem::<T>::new(form, 64, 1024, 1);
        let bytes = plain.input.len() * size_of::<T>();
        plain.forward(&device);
        assert_traffic(&name("plain forward"), &device.take_counters(), bytes, bytes);
        plain.backward(&device);
        assert_traffic(&name("plain backward"), &device.take_counters(), 2 * bytes, bytes);

        let wide = Problem::<T>::new(form, 128, 1024, 3).with_bias();
        let (bytes, row) = (wide.input.len() * size_of::<T>(), wide.width * size_of::<T>());
        wide.forward(&device);
        assert_traffic(&name("wide forward with bias"), &device.take_counters(), bytes + row, bytes);

        // Tall, as activations are: what is read or written once a column tile or row block is little beside the rows.
        let biased = Problem::<T>::new(form, 8192, 32, 2).with_bias();
        let (bytes, row) = (biased.input.len() * size_of::<T>(), biased.width * size_of::<T>());
        biased.forward(&device);
        assert_traffic(&name("forward with bias"), &device.take_counters(), bytes + row, bytes);
        biased.backward(&device);
        assert_traffic(&name("backward with bias"), &device.take_counters(), 2 * bytes + row, bytes + row);
    }
}

#[test]
fn traffic_is_at_its_floor() {
    traffic_of::<f32>();
    traffic_of::<f16>();
    traffic_of::<bf16>();
}
