//! Rain, soil moisture and snow of a season, day by day.

use super::random::Random;

/// Daily weather of one year; days are days of the year (1 January is 1.0 at midnight).
#[derive(Debug, Clone)]
pub struct Weather {
    rain_mm: Vec<f64>,
    moisture: Vec<f64>,
    has_snow: Vec<bool>,
}

impl Weather {
    /// Returns the weather of a stream.
    pub fn new(random: &Random) -> Self {
        let mut draw = random.stream(1);
        let mut moisture_now = 0.75;
        let mut is_wet_spell = true;
        let mut weather = Self {
            rain_mm: vec![0.0],
            moisture: vec![0.75],
            has_snow: vec![false],
        };
        // A late spell: the first images of a season from March on see it.
        let first_snow = 56 + draw.below(8);
        let snow_days = 10 + draw.below(8);
        for day in 1..=367_usize {
            let stays = if is_wet_spell { 0.68 } else { 0.82 };
            is_wet_spell = draw.chance(stays) == is_wet_spell;
            let rain = if is_wet_spell {
                -4.5 * libm::log(1.0 - draw.uniform())
            } else {
                0.0
            };
            // Drying is strongest at midsummer.
            let summer = 0.5 - 0.5 * libm::cos(std::f64::consts::TAU * (day as f64 - 10.0) / 365.0);
            moisture_now += rain * 0.035;
            moisture_now = (moisture_now * (0.985 - 0.085 * summer)).clamp(0.08, 1.0);
            weather.rain_mm.push(rain);
            weather.moisture.push(moisture_now);
            weather
                .has_snow
                .push((first_snow..first_snow + snow_days).contains(&day));
        }
        weather
    }

    /// Returns the topsoil moisture, 0 (dry) to 1 (saturated), on the day that holds `day`.
    pub fn moisture(&self, day: f64) -> f64 {
        self.moisture[self.index(day)]
    }

    /// Returns the rain in millimetres of the days after that of `from` up to that of `to`.
    pub fn rain_between(&self, from: f64, to: f64) -> f64 {
        self.rain_mm[self.index(from).min(self.index(to))..self.index(to)]
            .iter()
            .sum()
    }

    /// True where snow lies on that day.
    pub fn has_snow(&self, day: f64) -> bool {
        self.has_snow[self.index(day)]
    }

    fn index(&self, day: f64) -> usize {
        (day.max(0.0) as usize).min(self.moisture.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summers_are_drier_than_winters_and_snow_is_early() {
        let weather = Weather::new(&Random::new(1));
        let mean = |from: usize, to: usize| {
            (from..to)
                .map(|day| weather.moisture(day as f64))
                .sum::<f64>()
                / (to - from) as f64
        };
        assert!(mean(170, 230) < mean(1, 60));
        assert!((1..150).any(|day| weather.has_snow(f64::from(day))));
        assert!((100..367).all(|day| !weather.has_snow(f64::from(day))));
        assert!((1..367).all(|day| (0.0..=1.0).contains(&weather.moisture(f64::from(day)))));
    }
}
