//! Bit-equal results under every regime of the emulator, whatever the order of the atomics.

use half::bf16;
use warpsmith::EmulatedDevice;
use warpsmith::emulator::DeviceModel;

use crate::common::compare::assert_bits_equal;
use crate::common::devices::regimes;
use crate::problem::Problem;

#[test]
fn every_regime_gives_the_same_bits() {
    let model = DeviceModel::Sm80;
    // Rare words and common ones; one that is split.
    let mut split = Problem::<f32>::new(1, 17_000, 4, 4, 2);
    split.token.ids.iter_mut().enumerate().for_each(|(row, id)| *id = i64::from(row % 3 == 1));
    let words = Problem::<bf16>::new(4, 150, 60, 40, 1).with_all();
    let run = |device: &EmulatedDevice| {
        let segment = words.segment.as_ref().expect("segments");
        (
            words.forward(device),
            words.backward(device, &words.token),
            words.backward(device, segment),
            split.backward(device, &split.token),
        )
    };
    let expected = run(&EmulatedDevice::new(model));
    for (regime, device) in regimes(model) {
        let got = run(&device);
        assert_bits_equal(&format!("{regime}: output"), 40, &got.0, &expected.0);
        assert_bits_equal(&format!("{regime}: grad of token"), 40, &got.1, &expected.1);
        assert_bits_equal(&format!("{regime}: grad of segment"), 40, &got.2, &expected.2);
        assert_bits_equal(&format!("{regime}: grad of split"), 4, &got.3, &expected.3);
    }
}
