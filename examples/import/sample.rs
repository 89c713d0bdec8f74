//! The ini file of a branch that is made up.

pub(crate) const INI: &str = r#"; A branch that is made up.
[ SYSTEM Params ]
EnableSyslog = 1

[ SIP Params ]
EnableSAS = 1
SASLocalSIPUDPPort = 5080
SASDefaultGatewayIP = '192.0.2.9'
SASRegistrationTime = 30
SASSurvivabilityMode = 0
SASEnteringEmergencyMode = 1
SASEmergencyNumbers = '911,112'
SASEmergencyPrefix = "9"
SASBindingMode = 1
SASEnableENUM = 1
SASShortNumberLength = 4

[ ProxyIp ]
FORMAT ProxyIp_Index = ProxyIp_IpAddress, ProxyIp_TransportType, ProxyIp_ProxySetId;
ProxyIp 0 = "pbx.example.com", -1, 0;
ProxyIp 1 = "192.0.2.2:5070", 1, 0;
[ \ProxyIp ]

[ ProxySet ]
FORMAT ProxySet_Index = ProxySet_EnableProxyKeepAlive, ProxySet_ProxyKeepAliveTime, ProxySet_SRD;
ProxySet 0 = 1, 10, 0;
[ \ProxySet ]

[ SASRegistrationManipulation ]
FORMAT SASRegistrationManipulation_Index = SASRegistrationManipulation_RemoveFromRight, SASRegistrationManipulation_LeaveFromRight;
SASRegistrationManipulation 0 = 0, 4;
[ \SASRegistrationManipulation ]

[ IP2IPRouting ]
FORMAT IP2IPRouting_Index = IP2IPRouting_SrcUsernamePrefix, IP2IPRouting_DestUsernamePrefix, IP2IPRouting_DestType, IP2IPRouting_DestAddress, IP2IPRouting_DestPort, IP2IPRouting_DestTransportType, IP2IPRouting_AltRouteOptions;
IP2IPRouting 0 = "*", "1xxxxxxxxxx#", 1, "192.0.2.30", 5060, 0, 0;
IP2IPRouting 1 = "*", "*", 8, "", 0, -1, 1;
[ \IP2IPRouting ]
"#;
